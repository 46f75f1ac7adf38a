"""The ensemble: particles with weights and ids, as a measure; all integrals over particles are computed here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .. import ops
from ..errors import CheckpointError, ConfigError, ShapeError
from ..ops import linalg
from ..ops.memory import require_memory
from ..summation import Costs, Summation, default_costs, kernel_sums
from . import arrays, images, sampling, stored
from .arrays import ArrayLike, DType
from .foreign import Foreign
from .ids import distinct_ids, id_rows

if TYPE_CHECKING:
    from ..kernels import Kernel


class Ensemble(Foreign):
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

    __slots__ = ("_history", "_ids", "_period", "_positive", "_weights", "_x")

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
        self._history = 0

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

    def _same(self) -> Ensemble:
        """Another ensemble with the same parts, some of which the caller replaces before anyone sees it."""
        new = object.__new__(Ensemble)
        new._x, new._weights, new._ids = self._x, self._weights, self._ids
        new._positive, new._period, new._history = self._positive, self._period, self._history
        return new

    def moved(self, x: Tensor) -> Ensemble:
        """The same weights and ids with new particles x (n, d), which are not checked; for solvers."""
        new = self._same()
        new._x = x
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
        new._x = arrays.in_dtype(self._x, dtype).to(target)
        new._weights, new._ids = self._weights.to(target), self._ids.to(target)
        return new

    # ------------------------------------------------------------------------------------------ integrals

    def reduce(self, partial: Tensor) -> Tensor:
        """Complete a sum over particles that was made over these rows. They are all of them: nothing is added."""
        return partial

    def expect(self, values: ArrayLike) -> Tensor:
        """The integral ∫ v dμ = Σᵢ wᵢ vᵢ of values v (n,) or (n, ...), one row per particle; float64."""
        values = arrays.numbers("values", values).to(self.device)
        if values.is_complex():
            return torch.complex(self.expect(values.real), self.expect(values.imag))
        if values.ndim == 0 or len(values) != self.n:
            raise ShapeError(
                f"expect: values of shape {tuple(values.shape)}; wanted ({self.n}, ...), a row per particle."
            )
        return self.reduce(ops.weighted_sum(self._weights, values.reshape(self.n, -1))).reshape(values.shape[1:])

    def inner(self, a: Tensor, b: Tensor) -> Tensor:
        """The inner product of L²(μ), ∫ ⟨a, b⟩ dμ = Σᵢ wᵢ aᵢ·bᵢ, of fields a and b (n, d); 0-d float64.

        >>> mu = Ensemble([[1.0, 0.0], [0.0, 3.0]])
        >>> float(mu.inner(mu.x, mu.x))
        5.0
        """
        quick = a.is_cpu and a.shape == b.shape and len(a) == self.n
        return self.reduce(ops.inner(self._weights, a, b)) if quick else self.expect(linalg.row_dot(a, b))

    @property
    def effective_size(self) -> float:
        """The effective number of particles, 1/Σ wᵢ²: n for equal weights, 1 if one particle has all the mass.

        >>> Ensemble([[0.0], [1.0]], [0.5, 0.5]).effective_size
        2.0
        """
        return 1.0 / float(self.expect(self._weights))

    def mean(self) -> Tensor:
        """The mean m = ∫ x dμ (d,), float64."""
        return self.expect(self._x)

    def covariance(self) -> Tensor:
        """The covariance C = ∫ (x − m)(x − m)ᵀ dμ (d, d), float64."""
        return self.moments()[1]

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean (d,) and covariance (d, d), float64, in one pass; ResourceError where d is too large."""
        require_memory(f"covariances in {self.dim} dimensions", 16 * self.dim**2, "reduce the dimension")
        mass, centre, scatter = ops.moments(self._x, self._weights)
        if type(self).reduce is Ensemble.reduce:
            return centre, scatter
        mean = self.reduce(mass * centre)
        apart = centre - mean
        return mean, self.reduce(scatter + mass * torch.outer(apart, apart))

    def convolve(self, kernel: Kernel, at: ArrayLike | None = None) -> Tensor:
        """(K * μ)(z) = ∫ K(z − y) dμ(y) (m,) at points `at` (m, d), by default the particles; as `kernel_sums`."""
        return self.kernel_sums(kernel, at)[0]

    def kernel_sums(
        self,
        kernel: Kernel,
        at: ArrayLike | None = None,
        factor: Tensor | None = None,
        method: str = "dense",
        rtol: float = 1e-6,
        costs: Costs | None = None,
    ) -> tuple[Tensor, Tensor]:
        """∫ K(z − y) f(y) dμ(y) (m,) and its gradient in z (m, d), at points z = `at`, by default the particles.

        The factor f (n,) is 1 by default. At the particles a singular K leaves out the self pair i = j. `method`,
        `rtol` and `costs` are those of `Interaction`; by default all pairs are summed, or moments where K has them.
        """
        points = self._x if at is None else self.points(at)
        weights = self._weights if factor is None else self._weights * factor
        if self._period is not None:
            images.require_images(method)
            value, gradient = kernel.periodic_sums(points, self._x, weights, at is None, self._period)
        else:
            how = Summation(method, rtol, costs or default_costs())
            value, gradient = kernel_sums(kernel, points, self._x, weights, at is None, how)
        return self.reduce(value), self.reduce(gradient)

    def points(self, at: ArrayLike | None) -> Tensor:
        """`at` as points (m, d) of this space, in its dtype and on its device; the particles for None."""
        return self._x if at is None else arrays.points_like(self._x, "at", at)

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
