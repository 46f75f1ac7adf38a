"""The integrals of an ensemble: every sum over particles is made here, and another ensemble may make it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from .. import ops
from ..errors import ShapeError
from ..ops import linalg
from ..ops.memory import require_memory
from ..summation import Check, Costs, Summation, Sums, check, default_costs, kernel_sums
from . import arrays, checks, images
from .arrays import ArrayLike
from .foreign import Foreign
from .noise import SUBSET, Noise

if TYPE_CHECKING:
    from ..kernels import Kernel

Result = TypeVar("Result")


class Integrals(Foreign):
    """The part of `Ensemble` that integrates. `ShardedEnsemble` overrides the sums."""

    __slots__ = ()
    _weights: Tensor
    _ids: Tensor
    _period: Tensor | None

    @property
    def n(self) -> int:
        """The number of particles."""
        raise NotImplementedError

    @property
    def dim(self) -> int:
        """The dimension d of a particle."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """The device that holds the particles."""
        raise NotImplementedError

    @property
    def whole(self) -> bool:
        """Whether this process holds all particles. False for the part of a `ShardedEnsemble`."""
        return True

    @property
    def speaks(self) -> bool:
        """Whether this process speaks for the run: shows progress, writes records and warns."""
        return True

    def together(self, call: Callable[[], Result]) -> Result:
        """Make a call that looks at the particles of this process. Where it fails in one process, all raise."""
        return call()

    def postponing(self, noted: checks.Deferred) -> AbstractContextManager[None]:
        """Around some steps whose checks are deferred. Small sums of several processes wait for each other meanwhile.

        Afterwards `noted` holds in all processes or in none.
        """
        return nullcontext()

    def foresee(self, integrals: Iterable[str]) -> None:
        """Begin integrals, "moments" or "variances", that are needed soon; they then travel with other sums."""

    def summed(self, partial: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Σ over particles of a function that sums over some of them: partial(x (k, d), weights (k,)) → any shape."""
        return partial(self._x, self._weights)

    def over_blocks(self, part: Callable[[slice], Tensor]) -> Tensor:
        """The sum of what `part` gives for the rows of each block, of any shape. A whole ensemble is one block."""
        return part(slice(None))

    def rowwise(self, call: Callable[..., Any], *rows: Tensor) -> Any:
        """Make a call in which each row of the results depends on the same row of `rows` (n, ...) alone.

        `call` gives a tensor or a tuple of them. Products of matrices round at the ends of the rows they are given: so
        they are given whole blocks where particles are divided.
        """
        return call(*rows)

    def crossed(self, a: Tensor, b: Tensor) -> Tensor:
        """∫ a bᵀ dμ (k, l) = Σᵢ wᵢ aᵢ bᵢᵀ of fields a (n, k) and b (n, l), float64, one row per particle."""
        return linalg.product((self._weights[:, None] * a).T.contiguous(), b)

    def first(self, values: Tensor) -> Tensor:
        """The row of the first particle among values (n, ...)."""
        return values[0]

    def greatest(self, values: Tensor) -> Tensor:
        """The largest value of each column (k,) of values (n, k), one row per particle."""
        return values.amax(0)

    def count(self, condition: Tensor) -> int:
        """For how many particles a condition (n,) is true."""
        return int(condition.sum())

    def everywhere(self, condition: bool) -> bool:
        """Whether a condition on the particles of this process holds in every process."""
        return condition

    def drawn(self, most: int) -> Callable[[Tensor], Tensor]:
        """Draw at most so many particles, the same ones every time.

        Parameters
        ----------
        most : int
            The number of particles to draw. Where there are no more, all are taken in their order.

        Returns
        -------
        callable
            Takes values (n, ...), one row per particle, and gives those of the drawn particles.
        """
        if self.n <= most:
            return lambda values: values
        rows = torch.argsort(Noise(0).uniform(self._ids, 0, 1, SUBSET)[:, 0])[:most]
        return lambda values: values[rows]

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

    def expect_finite(self, values: Tensor, others: Tensor) -> Tensor | None:
        """`expect(values)` for values v (n,), if they and all `others` are known to be finite; else None.

        None also for many particles, on a GPU, and where they are divided among processes. It saves a run three checks.
        """
        return ops.mean_of_finite(self._weights, values, others)

    def inner(self, a: Tensor, b: Tensor) -> Tensor:
        """The inner product of L²(μ), ∫ ⟨a, b⟩ dμ = Σᵢ wᵢ aᵢ·bᵢ, of fields a and b (n, d); 0-d float64.

        >>> import wgf
        >>> mu = wgf.Ensemble([[1.0, 0.0], [0.0, 3.0]])
        >>> float(mu.inner(mu.x, mu.x))
        5.0
        """
        quick = a.is_cpu and a.shape == b.shape and len(a) == self.n
        return self.reduce(ops.inner(self._weights, a, b)) if quick else self.expect(linalg.row_dot(a, b))

    @property
    def effective_size(self) -> float:
        """The effective number of particles, 1/Σ wᵢ²: n for equal weights, 1 if one particle has all the mass.

        >>> import wgf
        >>> wgf.Ensemble([[0.0], [1.0]], [0.5, 0.5]).effective_size
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
        if type(self).reduce is Integrals.reduce:
            return centre, scatter
        mean = self.reduce(mass * centre)
        apart = centre - mean
        return mean, self.reduce(scatter + mass * torch.outer(apart, apart))

    def variances(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each coordinate (d,), float64. Equal values have exactly the variance 0."""
        mass, centre, squares = ops.variances(self._x, self._weights)
        if type(self).reduce is Integrals.reduce:
            return centre, squares
        mean = self.reduce(mass * centre)
        return mean, self.reduce(squares + mass * (centre - mean).square())

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
        return self._kernel_sums(kernel, at, factor, Summation(method, rtol, costs or default_costs()))

    def _kernel_sums(
        self, kernel: Kernel, at: ArrayLike | None, factor: Tensor | None, how: Summation
    ) -> tuple[Tensor, Tensor]:
        points = self._x if at is None else self.points(at)
        weights = self._weights if factor is None else self._weights * factor
        if self._period is not None:
            images.require_images(how.method)
            value, gradient = kernel.periodic_sums(points, self._x, weights, at is None, self._period)
        else:
            value, gradient = kernel_sums(kernel, points, self._x, weights, at is None, how)
        return self.reduce(value), self.reduce(gradient)

    def audit(self, kernel: Kernel, how: Summation) -> Check:
        """The method in use, and its error against sums over all pairs; on a torus all pairs are summed."""
        if self._period is not None:
            return Check("dense", "all pairs, nearest images", None, how.rtol)
        return check(Sums(kernel, self._x, self._x, self._weights, True), how)

    def points(self, at: ArrayLike | None) -> Tensor:
        """`at` as points (m, d) of this space, in its dtype and on its device; the particles for None."""
        return self._x if at is None else arrays.points_like(self._x, "at", at)
