"""Trajectories on the disk are written while a run goes on: frames first, and their count last."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CheckpointError
from .files import sync_folder
from .trajectory import FORMAT, Trajectory, layouts
from .zarr import ROOT, Layout, put, root_text, sync

if TYPE_CHECKING:
    from torch import Tensor


class TrajectoryWriter:
    """Appends frames to a trajectory on the disk. It keeps one frame in memory at a time.

    A frame that was appended is there for readers after `commit`, and on the disk then: the count of frames is written
    last. What a killed process left behind after its last commit is not counted.

    Parameters
    ----------
    folder : str or Path
        The folder of the trajectory, such as "run/trajectory.zarr". It must not exist; `resume` goes on with one.
    n, dim : int
        The number of particles and their dimension: the same for all frames.
    dtype : str
        "float64" or "float32": the dtype of the particles.
    attributes : mapping of str to object, optional
        What else to say of it, as JSON can hold it.

    Raises
    ------
    CheckpointError
        If the folder exists or cannot be written.

    See Also
    --------
    Trajectory : reads it.

    Examples
    --------
    >>> import tempfile, torch
    >>> from wgf.storage import Trajectory
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer = TrajectoryWriter(folder + "/trajectory.zarr", n=2, dim=1, dtype="float64")
    ...     for k in range(3):
    ...         writer.append(0.1 * k, torch.tensor([[0.0], [float(k)]]), torch.tensor([0.5, 0.5]), torch.arange(2))
    ...     writer.commit()
    ...     frames = Trajectory(folder + "/trajectory.zarr")
    ...     len(frames), frames.shape, frames[2].tolist(), frames.times.tolist()
    (3, (3, 2, 1), [[0.0], [2.0]], [0.0, 0.1, 0.2])
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        n: int,
        dim: int,
        dtype: str,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        token = uuid.uuid4().hex
        said = {"format": FORMAT, "particles": n, "dim": dim, "dtype": dtype, "token": token}
        self._said = said | dict(attributes or {})
        self._begin(layouts(n, dim, dtype, token), [])
        try:
            self.folder.mkdir(parents=True)
        except FileExistsError:
            raise CheckpointError(f"{self.folder} exists already; resume it, or choose another place.") from None
        except OSError as error:
            raise self._failed(error) from error
        self.commit()

    def _begin(self, arrays: tuple[Layout, ...], times: list[float]) -> None:
        self._arrays, self._times, self.committed = arrays, times, len(times)
        self._pending: list[Path] = []
        self._shown = -1  # how many frames the metadata say that there are

    @staticmethod
    def resume(folder: str | os.PathLike[str], frames: int | None = None) -> TrajectoryWriter:
        """Go on with a trajectory.

        Parameters
        ----------
        folder : str or Path
            Its folder.
        frames : int, optional
            How many of its frames count: those of the checkpoint from which the run goes on. By default all that were
            committed. Later frames are removed.

        Returns
        -------
        TrajectoryWriter
            A writer that appends after them.

        Raises
        ------
        CheckpointError
            If the trajectory is damaged, or has fewer frames.
        """
        found = Trajectory(folder)
        kept = len(found) if frames is None else frames
        if kept > len(found):
            raise CheckpointError(f"{found.folder} has {len(found)} frames; {kept} were made. Frames were lost.")
        writer = object.__new__(TrajectoryWriter)
        writer.folder = found.folder
        writer._said = {name: value for name, value in found.attributes.items() if name != "frames"}
        writer._begin(found._arrays, found.times.tolist()[:kept])
        writer.commit()  # first the count, then what it no longer counts
        try:
            writer._remove_after(kept)
        except OSError as error:
            raise writer._failed(error) from error
        return writer

    def _remove_after(self, kept: int) -> None:
        """Remove the chunks of frames that do not count."""
        for layout in self._arrays[:-1]:
            for path in (self.folder / layout.name / "c").glob("*"):
                if not path.name.isdecimal() or int(path.name) >= kept:
                    shutil.rmtree(path)

    def __len__(self) -> int:
        """The number of frames, those included that are not committed yet."""
        return len(self._times)

    @property
    def last(self) -> float | None:
        """The time of the last frame; None without one."""
        return self._times[-1] if self._times else None

    def append(self, t: float, x: Tensor, weights: Tensor, ids: Tensor) -> None:
        """Add a frame. Nobody sees it before `commit`.

        Parameters
        ----------
        t : float
            The time, in flow time.
        x : Tensor (n, d)
            The particles.
        weights, ids : Tensor (n,)
            Their weights and ids.

        Raises
        ------
        CheckpointError
            If the frame has another shape, or cannot be written. The frames before it stand.
        """
        number, pending = len(self._times), list[Path]()
        try:
            if not self.folder.is_dir():
                raise FileNotFoundError(2, "the directory is gone")
            for layout, part in zip(self._arrays, (x, weights, ids), strict=False):
                if tuple(part.shape) != layout.shape:
                    raise CheckpointError(
                        f"frame {number} of {self.folder}: {layout.name} has the shape {tuple(part.shape)}; wanted "
                        f"{layout.shape}, as in the frames before it."
                    )
                array, rows = part.detach().cpu().numpy(), layout.chunk[1]
                for k in range(0, len(array), rows):
                    path = layout.path(self.folder, number, k // rows)
                    pending.append(path)
                    put(path, layout.encoded(array[None, k : k + rows], number, k // rows))
        except OSError as error:
            raise error if isinstance(error, CheckpointError) else self._failed(error) from error
        self._pending += pending
        self._times.append(float(t))

    def commit(self) -> None:
        """Bring all frames to the disk, and count them.

        Raises
        ------
        CheckpointError
            If that fails. The frames that were committed before stand.
        """
        frames, times = len(self._times), self._arrays[-1]
        if self._shown == frames and not self._pending:
            return
        try:
            length = times.chunk[0]
            first = min(self.committed, frames) // length
            for k in range(first, -(-frames // length)):
                path = times.path(self.folder, k)
                put(path, times.encoded(np.array(self._times[k * length : (k + 1) * length]), k))
                self._pending.append(path)
            folders: dict[Path, None] = {}
            for path in self._pending:
                sync(path)
                folders |= dict.fromkeys((path.parent, path.parent.parent, path.parent.parent.parent))
            for folder in folders:
                sync_folder(folder)
            for layout in self._arrays:
                self._put(self.folder / layout.name / ROOT, layout.text(frames))
            self._put(self.folder / ROOT, root_text(self._arrays, frames, self._said))
        except OSError as error:
            raise self._failed(error) from error
        self._pending, self.committed, self._shown = [], frames, frames

    @staticmethod
    def _put(path: Path, content: bytes) -> None:
        put(path, content)
        sync(path)
        sync_folder(path.parent)

    def _failed(self, error: OSError) -> CheckpointError:
        return CheckpointError(f"cannot write the trajectory {self.folder}: {error.strerror or error}")
