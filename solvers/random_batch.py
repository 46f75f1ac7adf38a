"""Random batches: each interaction is summed inside small random groups of particles, drawn anew at every step."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from wgf import ops
from wgf.errors import ConfigError, WgfWarning, require_integer, shown
from wgf.functional import Evaluation, FreeEnergy, Functional, Term, Work
from wgf.kernels import Kernel
from wgf.measure import BATCHES, Ensemble, NoiseSource, ShardedEnsemble
from wgf.measure.shuffling import ROUNDS, Shuffle
from wgf.ops.reference import nearest_image
from wgf.protocol import Dynamics, Slope, Solver, State, Step
from wgf.summation import Check

from .langevin import Langevin

_PAIRS = 2**18
"""How many pairs are in memory at once."""


@dataclass(frozen=True)
class RandomBatch(Solver):
    """Any scheme of fixed steps, with each `Interaction` summed in random batches. Take it for many particles.

    The scheme `inner` is applied with the force of each interaction estimated from p = `size` particles:

        ∫ ∇W(x − y) dμ(y)  ≈  (n − 1)/(p − 1) Σ_{j in the batch of i, j ≠ i} wⱼ ∇W(xᵢ − xⱼ)

    The batches are a random partition of the particles, drawn at each step by their ids. All other terms are exact.

    Parameters
    ----------
    inner : Solver, default Langevin()
        The scheme that moves the particles, with fixed steps.
    size : int, default 2
        Particles per batch, ≥ 2. If it does not divide n, some batches are larger.

    Raises
    ------
    ConfigError
        If `inner` is no scheme or adapts its steps, since the scatter of the batches would drive its step to 0; or if
        `size` is below 2. Also whatever `inner` refuses.

    See Also
    --------
    wgf.Interaction, wgf.kernels.Kernel, wgf.kernels.RadialKernel

    Notes
    -----
    t, h, the order for exact forces and the metric of the dissipation are those of `inner`. So is the stability, as
    long as h times the scatter of the force is small. The estimate is unbiased for any weights, since the companions
    of a particle are a uniform sample of the others. Compared with full sums the error of a path is O(√(h/(p − 1)));
    that of the law is smaller.

    Without an `Interaction` in F there is nothing to sum in batches: the run is that of `inner`, and a warning says so.

    One evaluation of ∇_W F takes n(p − 1) pairs, so time and memory are linear in n. The kernel is differentiated
    automatically. Records evaluate F with its full sums, by the method of the `Interaction`: for large ensembles
    choose few records (`record_every`).

    References
    ----------
    Jin, Li & Liu (2020), Random batch methods (RBM) for interacting particle systems, J. Comput. Phys. 400, 108877.

    Examples
    --------
    >>> import wgf
    >>> F, mu = wgf.Interaction(wgf.kernels.QuadraticKernel(1.0)), wgf.Ensemble.gaussian(1000, 2)
    >>> sol = wgf.solve(F, mu, RandomBatch(wgf.solvers.Euler(), size=10), dt=0.05, t_end=3.0, record_every=60)
    >>> float(sol.ensemble.covariance().trace()) < 0.1
    True
    """

    inner: Solver = field(default=Langevin())
    size: int = 2

    order: ClassVar[int] = 1
    stochastic = True

    def __post_init__(self) -> None:
        if not isinstance(self.inner, Solver):
            raise ConfigError(
                f"inner = {shown(self.inner)}: wanted a scheme of wgf.solvers, such as wgf.solvers.Euler()."
            )
        if self.inner.adaptive:
            raise ConfigError(
                f"inner = {shown(self.inner)}: wanted a scheme of fixed steps, such as wgf.solvers.Heun()."
            )
        require_integer("size", self.size, low=2)

    @property
    def name(self) -> str:
        return f"RandomBatch({self.inner.name})"

    @property
    def realises_shannon(self) -> bool:  # type: ignore[override]
        return self.inner.realises_shannon

    @property
    def integrates(self) -> bool:  # type: ignore[override]
        return self.inner.integrates

    @property
    def on_surfaces(self) -> bool:  # type: ignore[override]
        return self.inner.on_surfaces

    @property
    def evaluations(self) -> int:  # type: ignore[override]
        return self.inner.evaluations

    @property
    def metric(self) -> str:  # type: ignore[override]
        return self.inner.metric

    def rewrite(self, free_energy: FreeEnergy) -> FreeEnergy:
        """Replace each interaction by its sums in batches; the terms keep their names."""

        def batched(term: Term) -> Term:
            kernel = term.functional.pair_kernel
            return term if kernel is None else replace(term, functional=_Batched(term.functional, kernel, self.size))

        return FreeEnergy(tuple(batched(term) for term in self.inner.rewrite(free_energy).terms))

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        self.inner.require(dynamics, mu, t)
        if not any(isinstance(term.functional, _Batched) for term in dynamics.free_energy.terms):
            warnings.warn(
                f"{self.name}: size = {self.size} has no effect, as F has no Interaction; take {self.inner.name} "
                "itself, with the same result.",
                WgfWarning,
                stacklevel=4,
            )

    def start(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Ensemble:
        return self.inner.start(dynamics, mu, t)

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Any:
        return self.inner.init(dynamics, mu, t)

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step of the inner scheme. All its stages use the same batches."""
        return self.inner.step(dynamics, state, h, noise)

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor | float | None:
        return self.inner.dissipation(dynamics, state, slope)

    def kinetic(self, state: State) -> Tensor | float | None:
        return self.inner.kinetic(state)

    def entropy(self, dynamics: Dynamics, state: State) -> Tensor | float | None:
        return self.inner.entropy(dynamics, state)


class _Batched(Functional):
    """An interaction summed in batches of `size`. Before `draw`, and away from the particles, its sums are full."""

    sampled = True

    def __init__(
        self, whole: Functional, kernel: Kernel, size: int, noise: NoiseSource | None = None, step: int = 0
    ) -> None:
        self._whole, self._kernel, self._size, self._noise, self._step = whole, kernel, size, noise, step

    @property
    def name(self) -> str:
        return self._whole.name

    def __repr__(self) -> str:
        return f"{self._whole!r} in batches of {self._size}"

    def draw(self, noise: NoiseSource, step: int) -> Functional:
        return _Batched(self._whole, self._kernel, self._size, noise, step)

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return self._whole.work(mu) if whole else Work(float(mu.n) * mu.dim * self._size)

    def audit(self, mu: Ensemble) -> Check | None:
        return self._whole.audit(mu)

    def undivided(self, mu: Ensemble) -> str | None:
        return self._whole.undivided(mu)

    def _value(self, mu: Ensemble) -> Tensor:
        return self._whole._value(mu) if self._noise is None else self._evaluate(mu).value

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if self._noise is None or at is not None:
            return self._whole._first_variation(mu, at)
        return self._sums(mu, self._noise)[0].to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if self._noise is None or at is not None:
            return self._whole._gradient(mu, at)
        return self._sums(mu, self._noise)[1].to(mu.dtype)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        if self._noise is None:
            return self._whole._evaluate(mu)
        value, gradient = self._sums(mu, self._noise)
        return Evaluation(0.5 * mu.expect(value), gradient.to(mu.dtype))

    def _sums(self, mu: Ensemble, noise: NoiseSource) -> tuple[Tensor, Tensor]:
        """Estimate W * μ (n,) and its gradient (n, d) at the particles, in float64.

        It runs in one torch thread, so that the bits do not depend on the number of threads.
        """
        kernel, x, weights = self._kernel, mu.x.double(), mu.weights
        with ops.one_torch_thread():
            if isinstance(mu, ShardedEnsemble):
                value, gradient = self._divided(mu, noise)
            else:
                keys = noise.uniform(mu.ids, self._step, 1, BATCHES)[:, 0]
                value, gradient = self._in_batches(mu, x, weights, torch.argsort(keys))
            if not kernel.singular:
                value += weights * kernel(x, x)
        return value, gradient

    def _in_batches(self, mu: Ensemble, x: Tensor, weights: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """The sums over the other particles of each batch, cut from rows in this order."""
        value, gradient = torch.zeros_like(weights), torch.zeros_like(x)
        for batches in _partition(order, self._size):
            rows, size = batches.flatten(), batches.shape[1]
            scale = (mu.n - 1) / max(1, size - 1)
            for others in _companions(batches):
                here = x[rows].expand(len(others), -1, -1)
                k, slope = _pairs(self._kernel, here, _nearest(x[others], here, mu.period))
                value[rows] += scale * (weights[others] * k).sum(0)
                gradient[rows] += scale * (weights[others, None] * slope).sum(0)
        return value, gradient

    def _divided(self, mu: ShardedEnsemble, noise: NoiseSource) -> tuple[Tensor, Tensor]:
        """The sums where processes share the particles: these meet in places of a random permutation.

        Each block of places is cut into batches, so that they do not depend on the number of processes.
        """
        drawn = noise.uniform(torch.arange(ROUNDS, device=mu.device), self._step, 1, BATCHES)[:, 0]
        keys = [int(2.0**32 * key) & 0xFFFFFFFF for key in drawn.tolist()]
        shuffle = Shuffle(keys, mu.group, mu.layout, mu.device)
        x, weights = shuffle.there(mu.x.double()), shuffle.there(mu.weights)
        found = []
        for rows in mu.layout.slices:
            order = torch.arange(rows.stop - rows.start, device=mu.device)
            value, gradient = self._in_batches(mu, x[rows], weights[rows], order)
            found.append(torch.cat([value[:, None], gradient], 1))
        both = shuffle.back(torch.cat(found))
        return both[:, 0].clone(), both[:, 1:]


def _partition(order: Tensor, size: int) -> Iterator[Tensor]:
    """Cut rows in this order into batches of `size` rows or slightly more.

    Yields index tensors (batches, rows per batch), one for each of the at most two lengths, which differ by one.
    """
    n = len(order)
    count = max(1, n // size)
    short, longer = divmod(n, count)
    cut = longer * (short + 1)
    yield from (part for part in (order[:cut].view(longer, short + 1), order[cut:].view(-1, short)) if len(part))


def _companions(batches: Tensor) -> Iterator[Tensor]:
    """For all rows of the batches in order, the other rows of their batch, as index tensors (companions, rows).

    Yields a few companions at a time, so that memory stays O(n·d).
    """
    meetings = [batches.roll(-shift, 1).flatten() for shift in range(1, batches.shape[1])]
    at_once = max(1, _PAIRS // batches.numel())
    for first in range(0, len(meetings), at_once):
        yield torch.stack(meetings[first : first + at_once])


def _nearest(y: Tensor, x: Tensor, period: Tensor | None) -> Tensor:
    """Of each y the image nearest to x; y itself in all of space."""
    return y if period is None else x - nearest_image(x - y, period.to(x))


def _pairs(kernel: Kernel, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """K(x, y) for each pair of points (...), and its gradient in x (..., d)."""
    with ops.recorded():
        at = x.detach().clone().requires_grad_()
        k = kernel(at, y)
        slope = torch.autograd.grad(k.sum(), at)[0] if k.requires_grad else torch.zeros_like(x)
    if kernel.radial and not kernel.singular:  # where particles coincide the force is 0, not autograd's NaN
        slope = slope.masked_fill((x == y).all(-1, keepdim=True), 0.0)
    return k.detach(), slope
