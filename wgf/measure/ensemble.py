"""The ensemble: particles with weights and ids, as a measure; all integrals over particles are computed here."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ..errors import CheckpointError, ConfigError, ShapeError
from ..ops import linalg
from ..wire import TIMEOUT
from . import arrays, images, sampling, stored
from .arrays import ArrayLike, DType
from .ids import distinct_ids, id_rows
from .integrals import Integrals


class Ensemble(Integrals):
    """The discrete measure μ = Σᵢ wᵢ δ(xᵢ), Σ wᵢ = 1: n weighted particles in d dimensions.

    Parameters
    ----------
    x : array (n, d), float64 or float32
        Finite coordinates; copied unless `copy=False`.
    weights : array (n,), optional
        wᵢ ≥ 0 with sum one, 1/n each by default. Kept in float64.
    ids : array (n,) of int, optional
        Distinct numbers that stay with the particles and key their noise, 0..n−1 by default.
    period : number or array (d,), optional
        Lengths after which space repeats, in the units of x. Sums over pairs then take the nearest image. Runs in a
        `PeriodicBox` set it.

    Raises
    ------
    ShapeError, ConfigError
        If arrays do not fit.

    See Also
    --------
    wgf.solve, wgf.Noise, wgf.solvers.Langevin

    Notes
    -----
    Immutable: methods return new ensembles, and nothing in this package writes to the arrays. Sums are deterministic,
    accumulated and returned in float64.

    Examples
    --------
    >>> mu = Ensemble([[0.0, 0.0], [2.0, 0.0]])
    >>> mu.mean().tolist(), mu.n, mu.dim
    ([1.0, 0.0], 2, 2)
    """

    __slots__ = ("_finite", "_history", "_ids", "_period", "_positive", "_weights", "_x")
    _divide: ClassVar[Callable[..., Any]]  # `wgf.measure.dividing` sets it

    def __init__(
        self,
        x: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        ids: ArrayLike | None = None,
        period: ArrayLike | None = None,
        copy: bool = True,
    ) -> None:
        self._x = arrays.particle_rows(x, copy)
        self._weights = arrays.weight_rows(weights, self.n, copy).to(self._x.device)
        self._ids = id_rows(ids, self.n, copy).to(self._x.device)
        self._positive: bool | None = None
        self._period = images.period_row(period, self.dim)
        self._history, self._finite = 0, False

    @property
    def x(self) -> Tensor:
        """Particles (n, d), float64 or float32."""
        return self._x

    @property
    def weights(self) -> Tensor:
        """Weights (n,), float64."""
        return self._weights

    @property
    def ids(self) -> Tensor:
        """Ids (n,), int64: the identities of the particles."""
        return self._ids

    @property
    def period(self) -> Tensor | None:
        """Lengths (d,) after which space repeats, float64; None in all of space."""
        return self._period

    @property
    def n(self) -> int:
        """The number of particles."""
        return self._x.shape[0]

    @property
    def dim(self) -> int:
        """The dimension d of a particle."""
        return self._x.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the particles: float64 or float32."""
        return self._x.dtype

    @property
    def device(self) -> torch.device:
        """The device that holds the particles."""
        return self._x.device

    @property
    def equal_weights(self) -> bool:
        """Whether all weights are the same."""
        return bool((self._weights == self._weights[0]).all())

    @property
    def positive_weights(self) -> bool:
        """Whether no weight is zero. Computed once; ensembles `moved` from this one know it too."""
        if self._positive is None:
            self._positive = bool((self._weights > 0).all())
        return self._positive

    @property
    def finite(self) -> bool:
        """Whether all coordinates are known to be finite."""
        return self._finite

    @property
    def history(self) -> int:
        """A number that stands for the noise that made these particles; 0 for none. The next run takes other noise."""
        return self._history

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        more = "" if self.equal_weights else ", weighted"
        more += "" if self._period is None else f", period={self._period.tolist()}"
        return f"Ensemble(n={self.n}, dim={self.dim}, {str(self.dtype).removeprefix('torch.')}, {self.device}{more})"

    # ------------------------------------------------------------------------------------------ other ensembles

    def _same(self) -> Self:
        """Another ensemble with the same parts, some of which the caller replaces before anyone sees it."""
        new = object.__new__(type(self))
        new._x, new._weights, new._ids = self._x, self._weights, self._ids
        new._positive, new._period, new._history = self._positive, self._period, self._history
        new._finite = self._finite
        return new

    def moved(self, x: Tensor, finite: bool = False) -> Ensemble:
        """The same weights and ids with new particles x (n, d), which are not checked; for solvers.

        `finite` says that they are known to be finite.
        """
        new = self._same()
        new._x, new._finite = x, finite
        return new

    def on(self, period: ArrayLike | None) -> Ensemble:
        """The same particles in a space that repeats after `period`: a number, (d,) lengths, or None."""
        new = self._same()
        new._period = images.period_row(period, self.dim)
        return new

    def reweighted(self, weights: Tensor) -> Ensemble:
        """The same particles and ids with new weights (n,) ≥ 0, divided by their sum; not checked otherwise."""
        new = self._same()
        new._weights, new._positive = weights.double() / linalg.total(weights), None
        return new

    def weighing(self, weights: Tensor) -> Self:
        """The same particles and ids with these weights (n,), as they are: they are part of weights of sum one."""
        new = self._same()
        new._weights, new._positive = weights, None
        return new

    def remembering(self, history: int) -> Ensemble:
        """The same particles with another `history`."""
        new = self._same()
        new._history = history
        return new

    def select(self, rows: ArrayLike) -> Ensemble:
        """The particles at an index (m,), weights divided by their sum; copies get new ids, so noise of their own."""
        index = arrays.row_index("select: rows", rows, self.n).to(self.device)
        weights, ids = self._weights[index], distinct_ids(self._ids[index])
        new = Ensemble(self._x[index], weights / linalg.total(weights), ids=ids)
        new._period, new._history = self._period, self._history
        return new

    def to(self, device: str | torch.device | None = None, dtype: DType | None = None) -> Ensemble:
        """The ensemble on another device or in another dtype (float64, float32); BackendError without that device."""
        new = self._same()
        target = arrays.require_device(device) if device is not None else self.device
        dtype = arrays.require_dtype(dtype) if dtype is not None else self.dtype
        new._x, new._finite = arrays.in_dtype(self._x, dtype).to(target), False
        new._weights, new._ids = self._weights.to(target), self._ids.to(target)
        return new

    def shard(
        self, blocks: int | None = None, timeout: float = TIMEOUT, processes: Sequence[int] | None = None
    ) -> Ensemble:
        """Divide the particles among the processes of torch.distributed, to run them as one ensemble.

        Every process calls it with the same ensemble, keeps its own rows and forgets the others.

        Parameters
        ----------
        blocks : int, optional
            The number of blocks, a power of two, whose sums are added in one order. By default 64, and 8 for fewer
            than 16384 particles. Runs with the same blocks have the same bits on any number of processes.
        timeout : float, default 300
            Seconds after which a collective that hangs ends in a `CommunicationError`.
        processes : sequence of int, optional
            The numbers of the processes that share the ensemble. By default all.

        Returns
        -------
        ShardedEnsemble
            The part of this process. Its integrals are over all particles. Without a process group it has them all.

        Raises
        ------
        ConfigError
            If the ensembles of the processes differ, or there are more processes than blocks.

        Examples
        --------
        >>> mu = Ensemble([[0.0], [2.0]]).shard()  # in a single process
        >>> mu.n, mu.mean().tolist()
        (2, [1.0])
        """
        found: Ensemble = Ensemble._divide(self, blocks, timeout, processes)
        return found

    # ------------------------------------------------------------------------------------------ storage

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write particles, weights and ids as safetensors with a checksum, completely or not at all.

        CheckpointError if it fails.
        """
        parts = {"x": self._x, "weights": self._weights, "ids": self._ids, "period": self._period}
        stored.write_parts(path, parts, self._history)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Ensemble:
        """Read what `save` wrote; CheckpointError if the file is missing, damaged or holds something else.

        The particles are in memory: what happens to the file later does not change them. A file of version 0.1.0 has
        no checksum; it is read with a WgfWarning.
        """
        parts, history = stored.read_parts(path)
        try:
            return Ensemble(**parts, copy=False).remembering(history)
        except (ConfigError, ShapeError) as error:
            raise CheckpointError(f"{path} holds no ensemble: {error}") from error

    # ------------------------------------------------------------------------------------------ samples

    @staticmethod
    def gaussian(
        n: int, dim: int, mean: ArrayLike = 0.0, cov: ArrayLike = 1.0, seed: int = 0, *, dtype: DType = torch.float64
    ) -> Ensemble:
        """n samples of N(mean, cov): mean a number or (d,); cov a variance, d variances or a matrix (d, d)."""
        x = sampling.gaussian(n, dim, mean, cov, seed)
        return Ensemble(x.to(arrays.require_dtype(dtype)), copy=False)

    @staticmethod
    def uniform(
        n: int, dim: int, low: ArrayLike = 0.0, high: ArrayLike = 1.0, seed: int = 0, *, dtype: DType = torch.float64
    ) -> Ensemble:
        """n samples of the uniform law on the box [low, high]; the bounds are numbers or (d,)."""
        x = sampling.uniform(n, dim, low, high, seed)
        return Ensemble(x.to(arrays.require_dtype(dtype)), copy=False)
