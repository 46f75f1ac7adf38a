"""Versions, processor and settings of the machine, which every benchmark stores with its results."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ...runs import store

PEERS = (
    "numpy", "torch", "pykeops", "geomloss", "jax", "jaxlib", "blackjax", "diffrax", "POT", "torchsde", "finufft",
    "scikit-learn", "ott-jax",
)  # fmt: skip
BUSY = "busy share of the cores at the start"
"""The fact that says how much other programs computed before the measurement."""


MUCH = 0.15
"""A share above which a page warns that the machine was busy."""


def busy_note(result: Mapping[str, Any]) -> str:
    """A warning for the head of a page where other programs took much of the machine; empty where they did not."""
    share = result.get(BUSY) or 0.0
    return f"\n\n**The machine was busy: other work took {share:.0%} of the cores.**" if share > MUCH else ""


def default_folder() -> Path:
    """The folder for results: benchmarks/results in a clone of the repository, else ./wgf-bench."""
    committed = Path("benchmarks") / "results"
    return committed if committed.is_dir() else Path("wgf-bench")


def machine_name() -> str:
    """The processor and its number of threads, in the form of a file name."""
    return f"{store.cpu().replace(' ', '-').lower()}-{torch.get_num_threads()}-threads"


def machine_facts() -> dict[str, Any]:
    """Versions and settings that a timing may depend on."""
    facts: dict[str, Any] = {key: value for key, value in store.versions().items() if key != "platform"}
    facts["peers"] = {name: _version(name) for name in PEERS}
    wanted = {"cpu family": "cpu family", "model": "cpu model", "flags": "AVX-512"}
    try:
        for entry in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines():
            key, _, value = entry.partition(":")
            if key.strip() in wanted:
                facts[wanted[key.strip()]] = ("avx512f" in value) if key.strip() == "flags" else value.strip()
    except OSError:
        pass  # not Linux: only the name of the processor is known
    if (share := busy_share()) is not None:
        facts[BUSY] = round(share, 2)
    facts["OPENBLAS_CORETYPE"] = os.environ.get("OPENBLAS_CORETYPE", "not set")
    facts["C++ compiler of KeOps"] = _compiler()
    return facts


def busy_share() -> float | None:
    """The share of the cores that other programs take, over half a second; None where Linux's /proc is not there."""
    before = _ticks()
    if before is None:
        return None
    time.sleep(0.5)
    after = _ticks()
    assert after is not None
    spent = [late - early for early, late in zip(before, after, strict=True)]
    return 1 - (spent[3] + spent[4]) / max(1, sum(spent))  # idle, and idle while it waits for a disk


def _ticks() -> list[int] | None:
    """The ticks that all cores spent in each kind of work since the start of the machine."""
    try:
        return [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except OSError:
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _compiler() -> str | None:
    try:
        done = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.splitlines()[0]
