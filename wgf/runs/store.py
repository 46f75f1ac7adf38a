"""The files of a run directory: their names, reading and writing them."""

from __future__ import annotations

import json
import math
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CheckpointError
from ..ledger import Ledger
from ..storage import digest, read_tensors, require_digest, seal, tensor_bytes, unseal, write_whole
from ..storage.lock import NAME as LOCK

CONFIG, COSTS, VERSIONS, METRICS = "config.toml", "costs.json", "versions.json", "metrics.jsonl"
FINAL, FRAMES, SUMMARY, REPORT = "final.safetensors", "frames.safetensors", "summary.json", "report.html"
OURS = (CONFIG, COSTS, VERSIONS, FINAL, FRAMES, SUMMARY, REPORT)
"""What is in a run directory beside its store."""
PACKAGES = ("wgflow", "torch", "numba", "numpy", "scipy", "POT", "scikit-learn", "safetensors", "finufft")


def plain(value: Any) -> Any:
    """A value as JSON can hold it: NaN and infinity become None, tuples become lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an indented JSON file with its format and checksum, whole or not; NaN and infinity become null."""
    write_whole(path, seal(plain(content), _format(path)).encode(), path.name)


def read_json(path: Path, warn: bool = True) -> dict[str, Any]:
    """Read a file of `write_json`. CheckpointError where it is missing or damaged.

    A file of version 0.1.0 has no checksum; it is read with a WgfWarning unless `warn` is False.
    """
    return unseal(read(path), path, _format(path), warn=warn)


def _format(path: Path) -> str:
    """The format of a file of ours: files of another name cannot take its place."""
    return f"wgf-{path.stem}-2"


def read(path: Path) -> bytes:
    """The bytes of a file. CheckpointError where it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error


def checksums(directory: Path) -> dict[str, str]:
    """The SHA-256 of every file in a directory and below it, by its path there; without its lock."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and not path.name.startswith(LOCK))
    return {path.relative_to(directory).as_posix(): digest(read(path)) for path in files}


def require_unchanged(directory: Path, summary: Mapping[str, Any], names: Iterable[str]) -> None:
    """Compare files with the checksums in a summary. CheckpointError for the first that is missing or another."""
    stated = summary.get("checksums", {})
    for name in names:
        if name not in stated:
            raise CheckpointError(f"{directory / SUMMARY} lacks the checksum of {name}.")
        require_digest(read(directory / name), stated[name], directory / name)


def read_ledger(directory: Path, notes: Mapping[str, str]) -> Ledger:
    """Read the ledger of a run from its metrics.jsonl. CheckpointError where that is missing or damaged."""
    ledger = Ledger()
    path = directory / METRICS
    number = 0
    try:
        ledger.notes.update(notes)
        for line in read(path).decode("utf-8").splitlines():
            number += 1
            row = {key: math.nan if value is None else value for key, value in json.loads(line).items()}
            if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in row.values()):
                raise ValueError("not all of its values are numbers")
            ledger.append(row)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"cannot read {path}, line {number}: {error}.") from error
    if not ledger.rows or "t" not in ledger:
        raise CheckpointError(f"cannot read {path}: it holds no record with a time t.")
    return ledger


Frame = tuple[float, torch.Tensor, torch.Tensor, torch.Tensor]
"""A picture of the particles: time, the first m particles x (m, d), their weights (m,) and ids (m,)."""


def write_frames(path: Path, frames: list[Frame]) -> None:
    """Write the pictures of a run: times t (k,), particles x (k, m, d) in float32, weights and ids (k, m)."""
    times, *parts = zip(*frames, strict=True)
    x, weights, ids = (torch.stack(part).cpu() for part in parts)
    tensors = {"t": torch.tensor(times, dtype=torch.float64), "x": x.float(), "weights": weights, "ids": ids}
    path.write_bytes(tensor_bytes(tensors, _format(path)))


def read_frames(path: Path, warn: bool = True) -> tuple[list[float], np.ndarray, np.ndarray | None]:
    """Read times t (k,), particles x (k, m, d) and weights (k, m) of `write_frames`. CheckpointError where damaged.

    A file of version 0.1.0 has no checksum and no weights; it is read with a WgfWarning unless `warn` is False.
    """
    tensors = read_tensors(path, _format(path), warn=warn)
    t, x = tensors.get("t"), tensors.get("x")
    if t is None or x is None or t.ndim != 1 or x.ndim != 3 or not len(t) or len(t) != len(x) or 0 in x.shape:
        raise CheckpointError(f"cannot read {path}: wanted times t (k,) and particles x (k, m, d).")
    if not (t.is_floating_point() and x.is_floating_point() and bool(torch.isfinite(t).all())):
        raise CheckpointError(f"cannot read {path}: its times and particles are not real numbers.")
    weights = tensors.get("weights")
    if weights is not None and weights.shape != x.shape[:2]:
        raise CheckpointError(f"cannot read {path}: wanted weights {tuple(x.shape[:2])}, one per particle.")
    return t.tolist(), x.numpy(), None if weights is None else weights.numpy()


def versions(device: str = "cpu") -> dict[str, Any]:
    """Versions of packages, the machine and its threads: everything that a result may depend on."""
    return {
        **{("wgf" if name == "wgflow" else name): _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu(),
        "threads": torch.get_num_threads(),
        "device": device if not device.startswith("cuda") else f"{device} ({torch.cuda.get_device_name(device)})",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def cpu() -> str:
    """The name of the processor."""
    if sys.platform == "linux":
        try:
            for line in Path("/proc/cpuinfo").read_text().splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
        except OSError:
            pass
    return platform.processor() or platform.machine()
