"""The run directory: its file names, reading and writing them, and a complete directory or none at all."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CheckpointError, ConfigError
from ..ledger import Ledger

CONFIG, COSTS, VERSIONS, METRICS = "config.toml", "costs.json", "versions.json", "metrics.jsonl"
FINAL, FRAMES, SUMMARY, REPORT = "final.safetensors", "frames.safetensors", "summary.json", "report.html"
PACKAGES = ("wgflow", "torch", "numba", "numpy", "scipy", "POT", "scikit-learn", "safetensors", "finufft")


def choose(directory: str | Path | None, name: str) -> Path:
    """Choose the directory for a run, without creating it.

    Parameters
    ----------
    directory : str or Path, optional
        A new or empty directory; by default runs/<name>-<date>-<time>.
    name : str
        The first part of the default name.

    Returns
    -------
    Path
        An absolute path.

    Raises
    ------
    ConfigError
        Where the directory is not empty, is a file, or is being written by another run.
    """
    if directory is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        base = Path("runs") / f"{name}-{stamp}"
        candidates = [base, *(base.with_name(f"{base.name}-{k}") for k in range(2, 1000))]
        return next(path for path in candidates if not path.exists() and not _partial(path).exists()).absolute()
    path = Path(os.path.abspath(directory))
    if path.exists() and not path.is_dir():
        raise ConfigError(f"output directory {path}: there is a file of that name; choose another with --out.")
    if path.is_dir() and any(path.iterdir()):
        raise ConfigError(f"output directory {path} is not empty; choose another with --out, or empty it.")
    if _partial(path).exists():
        raise ConfigError(
            f"output directory {path}: {_partial(path).name} is in the way, of a run that goes on or was killed."
        )
    return path


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Provide a temporary directory to write in. It is renamed to `path` at the end, and removed on an exception.

    So a directory with the final name is always complete. Raises CheckpointError where it cannot be written.
    """
    partial = _partial(path)
    parents = [parent for parent in path.parents if not parent.exists()]
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise CheckpointError(f"cannot write to {path}: {error.strerror or error}.") from error
    try:
        yield partial
        if path.is_dir():  # an empty directory of that name
            path.rmdir()
        os.replace(partial, path)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        for parent in parents:
            try:
                parent.rmdir()
            except OSError:
                break
        if isinstance(error, OSError) and not isinstance(error, CheckpointError):
            raise CheckpointError(f"cannot write to {path}: {error}.") from error
        raise


@contextmanager
def metrics(directory: Path) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Provide a function that appends a record to metrics.jsonl at once, as one JSON object; NaN becomes null."""
    with open(directory / METRICS, "w", encoding="utf-8") as file:

        def append(row: Mapping[str, float]) -> None:
            file.write(json.dumps(plain(row), allow_nan=False) + "\n")
            file.flush()

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


Frame = tuple[float, torch.Tensor, torch.Tensor, torch.Tensor]
"""A picture of the particles: time, the first m particles x (m, d), their weights (m,) and ids (m,)."""


def write_frames(path: Path, frames: list[Frame]) -> None:
    """Write the pictures of a run: times t (k,), particles x (k, m, d) in float32, weights and ids (k, m)."""
    from safetensors.torch import save

    times, *parts = zip(*frames, strict=True)
    x, weights, ids = (torch.stack(part).cpu() for part in parts)
    t = torch.tensor(times, dtype=torch.float64)
    path.write_bytes(save({"t": t, "x": x.float(), "weights": weights, "ids": ids}))


def read_frames(path: Path) -> tuple[list[float], np.ndarray]:
    """Read the times t (k,) and the particles x (k, m, d) of `write_frames`. CheckpointError where damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        return tensors["t"].tolist(), tensors["x"]
    except (OSError, SafetensorError, KeyError) as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error


def read_frame_weights(path: Path) -> np.ndarray | None:
    """Read the weights (k, m) of `write_frames`; None in a file of an earlier version, which has none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path).get("weights")
    except (OSError, SafetensorError) as error:
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
