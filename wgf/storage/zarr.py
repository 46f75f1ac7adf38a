"""The zarr format, version 3, as far as a trajectory needs it: its metadata, and chunks with a checksum.

Any reader of zarr opens what stands here: tests read it by the packages zarr and xarray. It is written without the
package zarr, for three reasons.

- The order in which files appear matters: chunks first, on the disk, then the metadata that count them, last those of
  the group. The package writes the new shape before the chunks, brings nothing to the disk, and replaces files under
  temporary names that a kill leaves behind.
- A run must not import it: that takes 1.5 s, as long as wgf itself, and 40 MB with numcodecs.
- It writes no faster: a frame is dominated by the disk and by the checksum. 150 lines are all that a trajectory needs.

Chunks are gzip, which has a CRC-32 of its content. Particles are stored in it as they are (level 0), since digits at
random do not shrink. Weights and ids shrink a lot.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError
from .checksum import ZEROS, filled, require_filled

ROOT = "zarr.json"
_BEFORE = b'"sha256": "'
_FILLS = {"float64": "NaN", "float32": "NaN", "int64": -1}


@dataclass(frozen=True)
class Layout:
    """How one array is laid out.

    Attributes
    ----------
    name : str
        The name of the array.
    dtype : str
        float64, float32 or int64. What is not written reads as NaN, for integers as −1.
    shape : tuple of int
        Its shape without the first axis, which counts frames.
    chunk : tuple of int
        The shape of a chunk.
    axes : tuple of str
        The names of its axes.
    level : int
        The level of gzip: 0 stores, 1 compresses fast.
    token : str
        What tells this trajectory from others. With the place of a chunk it makes a mark in the chunk, in the field of
        gzip for a time: a chunk of another place or another run is found. Empty for no mark.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    axes: tuple[str, ...]
    level: int
    token: str = ""

    def metadata(self, frames: int) -> dict[str, Any]:
        """The metadata of the array with so many frames, as zarr wants them."""
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [frames, *self.shape],
            "data_type": self.dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self.chunk)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": _FILLS[self.dtype],
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "gzip", "configuration": {"level": self.level}},
            ],
            "attributes": {},
            "dimension_names": list(self.axes),
            "storage_transformers": [],
        }

    def text(self, frames: int) -> bytes:
        """Its metadata in a file of its own, for readers that open this array alone."""
        return (json.dumps(self.metadata(frames), indent=1, allow_nan=False) + "\n").encode()

    def path(self, folder: Path, *index: int) -> Path:
        """The file of a chunk, by its number along the first axes; it is chunk 0 along the others."""
        numbers = (*index, *[0] * (len(self.chunk) - len(index)))
        return folder.joinpath(self.name, "c", *map(str, numbers))

    def _start(self, *index: int) -> bytes:
        """How the file of a chunk begins, by its number along the first axes."""
        mark = zlib.crc32(f"{self.token} {self.name} {index}".encode()) if self.token else 0
        return b"\x1f\x8b\x08\0" + mark.to_bytes(4, "little")

    def encoded(self, part: np.ndarray, *index: int) -> bytes:
        """A chunk as bytes, by its number along the first axes. A part that is smaller than a chunk is filled up."""
        whole = np.full(self.chunk, float("nan") if _FILLS[self.dtype] == "NaN" else -1, dtype=self._little())
        whole[tuple(slice(length) for length in part.shape)] = part
        packer = zlib.compressobj(self.level, zlib.DEFLATED, 31)
        start = self._start(*index)
        return start + (packer.compress(whole.data.cast("B")) + packer.flush())[len(start) :]

    def decoded(self, folder: Path, *index: int) -> np.ndarray:
        """A chunk from its file; CheckpointError if it is missing, damaged, or that of another place."""
        path = self.path(folder, *index)
        try:
            raw = path.read_bytes()
            unpacker = zlib.decompressobj(31)
            content = unpacker.decompress(raw)
            if not unpacker.eof or unpacker.unused_data or raw[:8] != self._start(*index):
                raise ValueError("it is cut or damaged, or belongs elsewhere")
            return np.frombuffer(bytearray(content), dtype=self._little()).reshape(self.chunk)
        except (OSError, ValueError, zlib.error) as error:
            raise CheckpointError(f"cannot read {path}: {error}.") from error

    def _little(self) -> np.dtype:
        return np.dtype(self.dtype).newbyteorder("<")


def root_text(layouts: tuple[Layout, ...], frames: int, attributes: Mapping[str, Any]) -> bytes:
    """The metadata of a group with these arrays, those of the arrays included, with a checksum among its attributes."""
    arrays = {layout.name: layout.metadata(frames) for layout in layouts}
    table = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {"sha256": ZEROS, **attributes, "frames": frames},
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": arrays},
    }
    return filled((json.dumps(table, indent=1, allow_nan=False) + "\n").encode(), _BEFORE)


def read_root(folder: Path) -> dict[str, Any]:
    """The attributes of a group of `root_text`; CheckpointError if it is missing or damaged."""
    path = folder / ROOT
    try:
        raw = path.read_bytes()
        attributes = json.loads(raw.decode())["attributes"]
        stated = attributes.pop("sha256")
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"cannot read {path}: it is cut or damaged ({error}).") from error
    require_filled(raw, _BEFORE, str(stated), path)
    return dict(attributes)


def parts_of_rows(n: int, row: int, largest: int) -> int:
    """How many rows a chunk has, so that n rows of so many bytes are split evenly into chunks of at most `largest`."""
    return math.ceil(n / max(1, math.ceil(n * row / largest)))


def put(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it. `sync` brings it to the disk."""
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            file.write(content)
    os.replace(partial, path)


def sync(path: Path) -> None:
    """Bring the content of a file to the disk."""
    number = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)
