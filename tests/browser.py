"""A headless Chromium for tests that look at pages, found on the machine or installed by the test in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell")


def _program() -> str | None:
    """The path of a browser of this machine. In CI, as root on Debian, one is installed where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and os.environ.get("CI") and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(command, capture_output=True, timeout=240, check=False)
        found = next(filter(None, map(shutil.which, NAMES)), None)
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser during a `with` block; the test is skipped, with the reason, where none can be had."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as play:
        options = {} if (program := _program()) is None else {"executable_path": program}
        try:
            browser = play.chromium.launch(args=["--no-sandbox"], **options)
        except playwright.Error as error:
            pytest.skip(f"no browser: {str(error).splitlines()[0]}")
        try:
            yield browser
        finally:
            browser.close()
