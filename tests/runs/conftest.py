"""One small run for many tests, and an empty working directory for those that run their own."""

from __future__ import annotations

import sys

import pytest
from commands import SMALL

from wgf.runs import load_config, run


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory with a small configuration in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """One small run that every test may read and none may write."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.toml").write_text(SMALL)
    result = run(load_config(folder / "small.toml"), folder / "run", progress=False)
    return result


@pytest.fixture
def undrawn(monkeypatch):
    """For tests that are not about the report, which takes longer than their runs."""
    monkeypatch.setattr(sys.modules["wgf.runs.run"], "write_report", lambda folder: (folder / "report.html").touch())
