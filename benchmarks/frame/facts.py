"""Versions, processor and settings of the machine, which every benchmark stores with its results."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ...runs import store

PEERS = (
    "numpy", "torch", "pykeops", "geomloss", "jax", "jaxlib", "blackjax", "diffrax", "POT", "torchsde", "finufft",
    "scikit-learn",
)  # fmt: skip


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
        facts["load average at the start"] = round(os.getloadavg()[0], 2)
    except OSError:
        pass  # not Linux: only the name of the processor is known
    facts["OPENBLAS_CORETYPE"] = os.environ.get("OPENBLAS_CORETYPE", "not set")
    facts["C++ compiler of KeOps"] = _compiler()
    return facts


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
