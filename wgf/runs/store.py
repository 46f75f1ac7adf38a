"""The run directory: its file names, reading and writing them, and a complete directory or none at all."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CheckpointError, ConfigError
from ..ledger import Ledger
from ..storage import digest, read_tensors, require_digest, seal, tensor_bytes, unseal

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
    except (OSError, ValueError) as error:  # ValueError: a name with NUL
        raise CheckpointError(f"cannot write to {path}: {getattr(error, 'strerror', None) or error}.") from error
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
    """Write an indented JSON file with its format and checksum; NaN and infinity become null."""
    path.write_text(seal(plain(content), _format(path)), encoding="utf-8")


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
    """The SHA-256 of every file in a directory and below it, by its path there."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
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


def write_frames(path: Path, frames: list[tuple[float, torch.Tensor]]) -> None:
    """Write the pictures of a run: times t (k,) and particles x (k, m, d) in float32."""
    times = torch.tensor([t for t, _ in frames], dtype=torch.float64)
    tensors = {"t": times, "x": torch.stack([x.float().cpu() for _, x in frames])}
    path.write_bytes(tensor_bytes(tensors, _format(path)))


def read_frames(path: Path, warn: bool = True) -> tuple[list[float], np.ndarray]:
    """Read the times t (k,) and the particles x (k, m, d) of `write_frames`. CheckpointError where damaged.

    A file of version 0.1.0 has no checksum; it is read with a WgfWarning unless `warn` is False.
    """
    tensors = read_tensors(path, _format(path), warn=warn)
    t, x = tensors.get("t"), tensors.get("x")
    if t is None or x is None or t.ndim != 1 or x.ndim != 3 or not len(t) or len(t) != len(x) or 0 in x.shape:
        raise CheckpointError(f"cannot read {path}: wanted times t (k,) and particles x (k, m, d).")
    if not (t.is_floating_point() and x.is_floating_point() and bool(torch.isfinite(t).all())):
        raise CheckpointError(f"cannot read {path}: its times and particles are not real numbers.")
    return t.tolist(), x.numpy()


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
