"""Trajectories on the disk, in the format zarr 3: frames are read when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .checksum import require_format
from .zarr import ROOT, Layout, parts_of_rows, read_root

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "wgf-trajectory-1"
CHUNK = 2**26
"""The largest size of a chunk in bytes: 64 MiB."""
TIMES = 4096
"""How many times a chunk holds."""


def layouts(n: int, dim: int, dtype: str) -> tuple[Layout, ...]:
    """The arrays of a trajectory of n particles in d dimensions: x, weights, ids and time."""
    rows = parts_of_rows(n, max(dim * np.dtype(dtype).itemsize, 8), CHUNK)
    return (
        Layout("x", dtype, (n, dim), (1, rows, dim), ("time", "particle", "axis"), 0),
        Layout("weights", "float64", (n,), (1, rows), ("time", "particle"), 1),
        Layout("ids", "int64", (n,), (1, rows), ("time", "particle"), 1),
        Layout("time", "float64", (), (TIMES,), ("time",), 0),
    )


class Trajectory:
    """The frames of a trajectory on the disk, read when they are asked for.

    It shows the frames that were committed when it was made or last refreshed. A run may go on writing meanwhile.

    Parameters
    ----------
    folder : str or Path
        The folder of the trajectory.

    Attributes
    ----------
    folder : Path
        The folder.
    attributes : dict
        What was said of it.
    times : Tensor (k,)
        The times of the frames, float64, in flow time.

    Raises
    ------
    CheckpointError
        If there is no trajectory, or its metadata are damaged. From reading a frame, if that is damaged.

    Notes
    -----
    Without this package: `xarray.open_zarr(folder)`, or `zarr.open(folder)`. The arrays are x (time, particle, axis),
    weights and ids (time, particle), and time.

    Examples
    --------
    See `TrajectoryWriter`.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.refresh()

    def refresh(self) -> Trajectory:
        """Look again how many frames there are, of a run that goes on.

        Returns
        -------
        Trajectory
            Itself.
        """
        import torch

        said = read_root(self.folder)
        require_format(said.get("format"), FORMAT, self.folder / ROOT)
        self.attributes, count = said, int(said["frames"])
        self._arrays = layouts(int(said["particles"]), int(said["dim"]), str(said["dtype"]))
        times = [self._arrays[-1].decoded(self._arrays[-1].path(self.folder, k)) for k in range(-(-count // TIMES))]
        self.times = torch.from_numpy(np.concatenate([*times, np.empty(0)])[:count].astype(np.float64))
        return self

    def __len__(self) -> int:
        """The number of frames."""
        return int(self.attributes["frames"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of frames, particles and dimensions (k, n, d)."""
        return (len(self), *self._arrays[0].shape)  # type: ignore[return-value]

    def __getitem__(self, index: int | slice) -> Tensor:
        """The particles of one frame (n, d), or of several (m, n, d). They are read from the disk each time."""
        import torch

        if isinstance(index, slice):
            frames = [self[k] for k in range(*index.indices(len(self)))]
            return torch.stack(frames) if frames else torch.empty((0, *self.shape[1:]))
        return self._read(0, index)

    def __iter__(self) -> Iterator[Tensor]:
        """The particles (n, d) of one frame after the other."""
        return (self[k] for k in range(len(self)))

    def weights(self, index: int) -> Tensor:
        """Give the weights (n,), float64, of the particles of a frame."""
        return self._read(1, index)

    def ids(self, index: int) -> Tensor:
        """Give the ids (n,), int64, of the particles of a frame."""
        return self._read(2, index)

    def _read(self, which: int, index: int) -> Tensor:
        import torch

        count, layout = len(self), self._arrays[which]
        if not -count <= index < count:
            raise IndexError(f"frame {index} of {self.folder}: there are {count}.")
        parts = range(-(-layout.shape[0] // layout.chunk[1]))
        rows = [layout.decoded(layout.path(self.folder, index % count, k))[0] for k in parts]
        whole = rows[0] if len(rows) == 1 else np.concatenate(rows)
        return torch.from_numpy(whole[: layout.shape[0]].astype(layout.dtype, copy=False))

    def __repr__(self) -> str:
        return f"Trajectory({str(self.folder)!r}, {len(self)} frames of {self.shape[1]} particles)"
