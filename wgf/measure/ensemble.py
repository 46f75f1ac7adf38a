"""The ensemble: particles with weights and ids, as a measure; all integrals over particles are computed here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .. import ops
from ..errors import CheckpointError, ConfigError, ShapeError
from ..ops import linalg
from ..ops.memory import require_memory
from ..summation import Costs, Summation, default_costs, kernel_sums
from . import sampling
from .arrays import (
    ArrayLike,
    distinct_ids,
    id_rows,
    integers,
    numbers,
    particle_rows,
    require_device,
    require_dtype,
    weight_rows,
)
from .foreign import Foreign

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

    __slots__ = ("_ids", "_positive", "_weights", "_x")

    def __init__(
        self, x: ArrayLike, weights: ArrayLike | None = None, *, ids: ArrayLike | None = None, copy: bool = True
    ) -> None:
        self._x = particle_rows(x, copy)
        n = len(self._x)
        self._weights = weight_rows(weights, n, copy).to(self._x.device)
        self._ids = id_rows(ids, n, copy).to(self._x.device)
        self._positive: bool | None = None

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

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        weights = "" if self.equal_weights else ", weighted"
        dtype = str(self.dtype).removeprefix("torch.")
        return f"Ensemble(n={self.n}, dim={self.dim}, {dtype}, {self.device}{weights})"

    # ------------------------------------------------------------------------------------------ other ensembles

    def moved(self, x: Tensor) -> Ensemble:
        """The same weights and ids with new particles x (n, d), which are not checked; for solvers."""
        new = object.__new__(Ensemble)
        new._x, new._weights, new._ids, new._positive = x, self._weights, self._ids, self._positive
        return new

    def reweighted(self, weights: Tensor) -> Ensemble:
        """The same particles and ids with new weights (n,) ≥ 0, divided by their sum; not checked otherwise."""
        new = object.__new__(Ensemble)
        new._x, new._weights, new._ids = self._x, weights.double() / linalg.total(weights), self._ids
        new._positive = None
        return new

    def select(self, rows: ArrayLike) -> Ensemble:
        """The particles at an index (m,), weights divided by their sum; copies get new ids, so noise of their own."""
        index = integers("rows", rows).to(self.device)
        if index.ndim != 1 or index.dtype != torch.int64 or not len(index):
            raise ShapeError(f"select: rows of shape {tuple(index.shape)}, {index.dtype}; wanted (m,) integers, m ≥ 1.")
        if int(index.max()) >= self.n or int(index.min()) < -self.n:
            raise ShapeError(
                f"select: rows from {int(index.min())} to {int(index.max())}; there are {self.n} particles."
            )
        weights = self._weights[index]
        return Ensemble(self._x[index], weights / linalg.total(weights), ids=distinct_ids(self._ids[index]))

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | str | None = None) -> Ensemble:
        """The ensemble on another device or in another dtype (float64, float32); BackendError without that device."""
        new = object.__new__(Ensemble)
        target = require_device(device) if device is not None else self.device
        new._x = self._x.to(device=target, dtype=require_dtype(dtype) if dtype is not None else self.dtype)
        new._weights, new._ids, new._positive = self._weights.to(target), self._ids.to(target), self._positive
        return new

    # ------------------------------------------------------------------------------------------ integrals

    def reduce(self, partial: Tensor) -> Tensor:
        """Complete a sum over particles that was made over these rows. They are all of them: nothing is added."""
        return partial

    def expect(self, values: ArrayLike) -> Tensor:
        """The integral ∫ v dμ = Σᵢ wᵢ vᵢ of values v (n,) or (n, ...), one row per particle; float64."""
        values = numbers("values", values).to(self.device)
        if values.is_complex():
            return torch.complex(self.expect(values.real), self.expect(values.imag))
        if values.ndim == 0 or len(values) != self.n:
            raise ShapeError(
                f"expect: values of shape {tuple(values.shape)}; wanted ({self.n}, ...), a row per particle."
            )
        total = self.reduce(ops.weighted_sum(self._weights, values.reshape(self.n, -1)))
        return total.reshape(values.shape[1:])

    def inner(self, a: Tensor, b: Tensor) -> Tensor:
        """The inner product of L²(μ), ∫ ⟨a, b⟩ dμ = Σᵢ wᵢ aᵢ·bᵢ, of fields a and b (n, d); 0-d float64.

        >>> mu = Ensemble([[1.0, 0.0], [0.0, 3.0]])
        >>> float(mu.inner(mu.x, mu.x))
        5.0
        """
        return self.expect(linalg.row_dot(a, b))

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
        mean = self.reduce(mass * centre)
        apart = centre - mean  # zero up to rounding, unless `reduce` adds the particles of other processes
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
        how = Summation(method, rtol, costs or default_costs())
        value, gradient = kernel_sums(kernel, points, self._x, weights, at is None, how)
        return self.reduce(value), self.reduce(gradient)

    def points(self, at: ArrayLike | None) -> Tensor:
        """`at` as points (m, d) of this space, in its dtype and on its device; the particles for None."""
        if at is None:
            return self._x
        points = numbers("at", at).to(device=self.device, dtype=self.dtype)
        if points.ndim != 2 or points.shape[1] != self.dim:
            raise ShapeError(f"at: shape {tuple(points.shape)}; wanted (m, {self.dim}).")
        return points

    # ------------------------------------------------------------------------------------------ storage

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write particles, weights and ids as safetensors, completely or not at all; CheckpointError if it fails."""
        from safetensors.torch import save

        target = Path(path)
        partial = target.with_name(target.name + ".partial")
        tensors = {"x": self._x, "weights": self._weights, "ids": self._ids}
        try:
            content = save({k: v.contiguous().cpu() for k, v in tensors.items()}, {"format": "wgf-ensemble-1"})
            with open(partial, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise CheckpointError(f"cannot write the ensemble to {target}: {error}") from error

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Ensemble:
        """Read what `save` wrote; CheckpointError if the file is missing, damaged or holds something else."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors = load_file(path)
            return Ensemble(tensors["x"], tensors["weights"], ids=tensors["ids"], copy=False)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"cannot read an ensemble from {path}: {error}") from error
        except KeyError as error:
            raise CheckpointError(f"{path} holds no ensemble: {error} is missing") from error

    # ------------------------------------------------------------------------------------------ samples

    @staticmethod
    def gaussian(
        n: int,
        dim: int,
        mean: ArrayLike = 0.0,
        cov: ArrayLike = 1.0,
        seed: int = 0,
        *,
        dtype: torch.dtype | str = torch.float64,
    ) -> Ensemble:
        """n samples of N(mean, cov): mean a number or (d,); cov a variance, d variances or a matrix (d, d)."""
        x = sampling.gaussian(n, dim, mean, cov, seed)
        return Ensemble(x.to(require_dtype(dtype)), copy=False)

    @staticmethod
    def uniform(
        n: int,
        dim: int,
        low: ArrayLike = 0.0,
        high: ArrayLike = 1.0,
        seed: int = 0,
        *,
        dtype: torch.dtype | str = torch.float64,
    ) -> Ensemble:
        """n samples of the uniform law on the box [low, high]; the bounds are numbers or (d,)."""
        x = sampling.uniform(n, dim, low, high, seed)
        return Ensemble(x.to(require_dtype(dtype)), copy=False)


def require_ensemble(name: str, value: object) -> Ensemble:
    """The value, if it is an ensemble; else a ConfigError that names the argument and says how to make one."""
    if not isinstance(value, Ensemble):
        raise ConfigError(f"{name} is {type(value).__name__}: wanted a wgf.Ensemble (wgf.Ensemble(x) makes one).")
    return value
