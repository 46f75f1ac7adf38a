"""`wgf bench kernels`: every family of work measured beside its peers, printed as it goes, and written row by row."""

from __future__ import annotations

import datetime
import os
import subprocess
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..arrays import require_device
from ..errors import BackendError, ConfigError, closest
from ..runs import store
from .case import OURS
from .measure import Hall, Row
from .page import line, page

FAMILIES: dict[str, tuple[str, ...]] = {
    "machine": ("machine",),
    "pairwise": ("pairwise",),
    "near-linear": ("large", "near_linear"),
    "stein": ("stein",),
    "network": ("network",),
    "moments": ("moments",),
    "langevin": ("langevin",),
    "transport": ("sliced",),
    "startup": ("startup",),
}
"""Families of work and the files of this folder they are in. A file has `cases(quick)`, a list of Case, or
`rows(quick)`, an iterator of rows that it measures itself; one that is not there is left out."""

PEERS = ("numpy", "torch", "pykeops", "jax", "jaxlib", "blackjax", "diffrax", "POT", "torchsde", "finufft")


def default_folder() -> Path:
    """The committed results where we stand in a clone, else ./wgf-bench."""
    committed = Path("benchmarks") / "results"
    return committed if committed.is_dir() else Path("wgf-bench")


def machine_name() -> str:
    """The processor and its threads, as part of a file name."""
    return f"{store.cpu().replace(' ', '-').lower()}-{torch.get_num_threads()}-threads"


def machine_facts() -> dict[str, Any]:
    """Versions and settings that a figure may depend on."""
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
        pass  # not Linux: the name of the processor must do
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


def run(folder: Path, *, quick: bool = False, only: str | None = None, device: str = "cpu") -> Path:
    """Measure, and return the page; beside it lies the same as JSON.

    `quick` takes small sizes, whose figures say nothing about the targets; `only` is one family. Raises ConfigError for
    a family or device that is not known, and BackendError for "cuda" where torch can use no GPU.
    """
    if device != "cpu":
        return _on_gpu(device, folder)
    if only is not None and only not in FAMILIES:
        raise ConfigError(f"--only {only}{closest(only, FAMILIES)}")
    name = "-".join(["kernels", machine_name(), *(["quick"] if quick else []), *([only] if only else [])])
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "quick": quick,
        "only": only,
        **machine_facts(),
        "rows": [],
    }
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / ("kernels.md" if not quick and only is None else f"{name}.md")
    console, begun = Console(highlight=False), time.monotonic()
    work = _work(quick, only)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar, Hall(quick) as hall:
        task = bar.add_task("", total=len(work))
        for module, case, title in work:
            bar.update(task, description=title)
            for row in _measured(hall, module, case, title, quick):
                console.print(line(row), markup=False, soft_wrap=True)
                result["rows"].append(row)
                result["seconds"] = round(time.monotonic() - begun)
                store.write_json(folder / f"{name}.json", result)
                target.write_text(page(result), encoding="utf-8")
            bar.advance(task)
    return target


def _on_gpu(device: str, folder: Path) -> Path:
    """The same command on a GPU, which has its own peers and floors."""
    if require_device(device).type != "cuda":
        raise ConfigError(f'--device {device}: wanted "cpu" or "cuda".')
    if find_spec("triton") is None:
        raise BackendError("the bodies for GPUs need triton, which is not installed here.")
    from . import gpu

    return gpu.run(folder)


def _work(quick: bool, only: str | None) -> list[tuple[str, Any, str]]:
    """(module, case or None, title) in the order of the page."""
    work: list[tuple[str, Any, str]] = []
    for family, files in FAMILIES.items():
        if only not in (None, family):
            continue
        for file in files:
            name = f"{__package__}.{file}"
            if find_spec(name) is None:
                continue
            module = import_module(name)
            if hasattr(module, "cases"):
                work += [(name, case, case.name) for case in module.cases(quick)]
            if hasattr(module, "rows"):
                work.append((name, None, family))
    return work


def _measured(hall: Hall, module: str, case: Any, title: str, quick: bool) -> Iterator[Row]:
    """The rows of one piece of work; whatever goes wrong in it becomes a row that says so."""
    try:
        if case is not None:
            yield hall.measure(module, case)
        else:
            yield from import_module(module).rows(quick)
    except Exception as error:  # the run goes on with the next
        reason = f"{type(error).__name__}: {error}"
        yield {"name": title, "family": module.rpartition(".")[2], "bodies": {OURS: {"failed": reason}}}
