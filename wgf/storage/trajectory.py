"""Trajectories on the disk, in the format zarr 3: frames are read when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .checksum import require_format
from .zarr import ROOT, Layout, parts_of_rows, read_root

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FORMAT = "wgf-trajectory-1"
CHUNK = 2**26
"""The largest size of a chunk in bytes: 64 MiB."""
TIMES = 4096
"""How many times a chunk holds."""


def layouts(n: int, dim: int, dtype: str, token: str = "") -> tuple[Layout, ...]:
    """The arrays of a trajectory of n particles in d dimensions: x, weights, ids and time."""
    rows = parts_of_rows(n, max(dim * np.dtype(dtype).itemsize, 8), CHUNK)
    return (
        Layout("x", dtype, (n, dim), (1, rows, dim), ("time", "particle", "axis"), 0, token),
        Layout("weights", "float64", (n,), (1, rows), ("time", "particle"), 1, token),
        Layout("ids", "int64", (n,), (1, rows), ("time", "particle"), 1, token),
        Layout("time", "float64", (), (TIMES,), ("time",), 0, token),
    )


class Frames:
    """One array of a trajectory on the disk, such as its weights. Frames are read when they are asked for.

    `frames[k]` is a tensor of one frame, `frames[2:5]` one of several, and `np.asarray(frames)` reads all of them.

    Parameters
    ----------
    folder : Path
        The folder of the trajectory.
    layout : Layout
        How the array is laid out.
    count : int
        How many frames there are.

    Raises
    ------
    CheckpointError
        From reading a frame that is damaged.
    """

    def __init__(self, folder: Path, layout: Layout, count: int) -> None:
        self._folder, self._layout, self._count = folder, layout, count

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of frames, and the shape of one."""
        return (self._count, *self._layout.shape)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of a frame."""
        import torch

        kind: torch.dtype = getattr(torch, self._layout.dtype)
        return kind

    def __len__(self) -> int:
        """The number of frames."""
        return self._count

    def __getitem__(self, index: int | slice) -> Tensor:
        """One frame, or several in one tensor. They are read from the disk each time."""
        import torch

        if isinstance(index, slice):
            frames = [self[k] for k in range(*index.indices(len(self)))]
            return torch.stack(frames) if frames else torch.empty((0, *self._layout.shape), dtype=self.dtype)
        count, layout = self._count, self._layout
        if not -count <= index < count:
            raise IndexError(f"frame {index} of {self._folder}: there are {count}.")
        parts = range(-(-layout.shape[0] // layout.chunk[1]))
        rows = [layout.decoded(self._folder, index % count, k)[0] for k in parts]
        whole = rows[0] if len(rows) == 1 else np.concatenate(rows)
        return torch.from_numpy(whole[: layout.shape[0]].astype(layout.dtype, copy=False))

    def __iter__(self) -> Iterator[Tensor]:
        """One frame after the other."""
        return (self[k] for k in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All frames in memory."""
        return np.asarray(self[:].numpy(), dtype=dtype)

    def numpy(self) -> np.ndarray:
        """Read all frames into memory, as `torch.Tensor.numpy` gives them."""
        return np.asarray(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._layout.name} {self.shape} in {str(self._folder)!r})"


class Trajectory(Frames):
    """The frames of a trajectory on the disk, read when they are asked for: `trajectory[k]` has the particles (n, d).

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
    weights, ids : Frames (k, n)
        The weights, float64, and the ids, int64, of the particles of each frame.

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
        self._arrays = layouts(int(said["particles"]), int(said["dim"]), str(said["dtype"]), str(said.get("token", "")))
        x, weights, ids, time = self._arrays
        super().__init__(self.folder, x, count)
        self.weights, self.ids = Frames(self.folder, weights, count), Frames(self.folder, ids, count)
        times = [time.decoded(self.folder, k) for k in range(-(-count // TIMES))]
        self.times = torch.from_numpy(np.concatenate([*times, np.empty(0)])[:count].astype(np.float64))
        return self

    def __repr__(self) -> str:
        return f"Trajectory({str(self.folder)!r}, {len(self)} frames of {self.shape[1]} particles)"
