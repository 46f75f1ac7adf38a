"""The files of a run directory: their names, reading and writing them."""

from __future__ import annotations

import json
import math
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CheckpointError
from ..ledger import Ledger

CONFIG, COSTS, VERSIONS, METRICS = "config.toml", "costs.json", "versions.json", "metrics.jsonl"
FINAL, FRAMES, SUMMARY, REPORT = "final.safetensors", "frames.safetensors", "summary.json", "report.html"
PACKAGES = ("wgflow", "torch", "numba", "numpy", "scipy", "POT", "scikit-learn", "safetensors", "finufft")


@contextmanager
def metrics(directory: Path) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Provide a function that appends a record to metrics.jsonl at once, as one JSON object; NaN becomes null.

    A record that cannot be written whole, as on a full disk, leaves nothing of it behind.
    """
    with open(directory / METRICS, "wb", buffering=0) as file:

        def append(row: Mapping[str, float]) -> None:
            line, begun, done = json.dumps(plain(row), allow_nan=False).encode() + b"\n", file.tell(), 0
            try:
                while done < len(line):
                    done += file.write(line[done:])
            except BaseException:
                file.truncate(begun)
                file.seek(begun)
                raise

        yield append


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
    """Write an indented JSON file; NaN and infinity become null."""
    path.write_text(json.dumps(plain(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of `write_json`. CheckpointError where it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no table.")
    return content


def read_ledger(directory: Path, notes: Mapping[str, str]) -> Ledger:
    """Read the ledger of a run from its metrics.jsonl. CheckpointError where that is missing or damaged."""
    ledger = Ledger()
    ledger.notes.update(notes)
    path = directory / METRICS
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            ledger.append({key: math.nan if value is None else value for key, value in json.loads(line).items()})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error
    return ledger


def write_frames(path: Path, frames: list[tuple[float, torch.Tensor]]) -> None:
    """Write the pictures of a run: times t (k,) and particles x (k, m, d) in float32."""
    from safetensors.torch import save

    times = torch.tensor([t for t, _ in frames], dtype=torch.float64)
    path.write_bytes(save({"t": times, "x": torch.stack([x.float().cpu() for _, x in frames])}))


def read_frames(path: Path) -> tuple[list[float], np.ndarray]:
    """Read the times t (k,) and the particles x (k, m, d) of `write_frames`. CheckpointError where damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        return tensors["t"].tolist(), tensors["x"]
    except (OSError, SafetensorError, KeyError) as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error


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
