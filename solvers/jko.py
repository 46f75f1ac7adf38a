"""The scheme of Jordan, Kinderlehrer and Otto: each step minimises F plus the squared distance moved over 2h."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from wgf.errors import DivergenceError, WgfError, WgfWarning, require_integer, require_number
from wgf.extension import renamed
from wgf.functional import FreeEnergyEvaluation
from wgf.measure import Ensemble, NoiseSource
from wgf.protocol import Dynamics, Solver, State, Step, remembered

from .descent import Descent, Point, minimise, minimise_within


@remembered
@dataclass(frozen=True)
class Proximal:
    """How well the last step of `JKO` was solved, and the worst step of the run: `sol.state.memory`.

    Attributes
    ----------
    residual : float
        Norm of ∇Φ in L²(μ) at the end of the step, over that at its start. 1 means that nothing was gained.
    lines : int
        Number of line searches of the step.
    excess : float
        ∫|x − x_k|² dμ / W₂² − 1 at the end: 0 if x_k ↦ x is an optimal coupling, NaN if that was not checked.
    worst : float
        The largest residual of the run.
    relabelled : int
        Number of steps of the run in which rows were exchanged to make the coupling optimal.
    """

    residual: float = 0.0
    lines: int = 0
    excess: float = math.nan
    worst: float = 0.0
    relabelled: int = 0


@renamed(lines="max_line_searches")
@dataclass(frozen=True)
class JKO(Solver):
    """Implicit Euler for ẋ = −∇_W F, by minimising Φ. Take it for steps beyond any stability bound.

        x_{k+1} = argmin_x Φ(x),   Φ(x) = F_{t+h}[μ_x] + ∫ |x − x_k|² dμ / (2h)

    Φ is minimised by L-BFGS in L²(μ), starting from x_k; inside walls by projected gradients.

    Parameters
    ----------
    tolerance : float, default 1e-8
        The descent ends when the norm of ∇Φ is at most this part of its norm at x_k; > 0, without unit.
    max_line_searches : int, default 200
        The descent also ends after so many line searches, ≥ 1.
    check_up_to : int, default 500
        Up to so many particles the coupling x_k ↦ x is checked for optimality (in one dimension for any number; in a
        domain never).

    Raises
    ------
    ConfigError
        If a setting is out of range; from `solve`, if F has a Shannon term, which has no value on particles. Take
        LogDet, Blob or another surrogate.
    WgfError
        From `solve`, the error of F itself, if F is not finite on the way down.

    See Also
    --------
    wgf.solvers.Euler, wgf.solvers.BogackiShampine, wgf.solvers.Grid, wgf.Shannon

    Notes
    -----
    t and h are times of the flow, in units of |x|² over F. The order is 1. The scheme is stable at every h:
    F_{t+h}[μ_{k+1}] ≤ F_{t+h}[μ_k], to the rounding of F, even if Φ is minimised badly, since only lower values are
    accepted. If F is not convex, the minimum found may lie in another basin than x_k. On a torus F must be periodic;
    else Φ jumps at the seam and the descent ends there.

    A step costs one evaluation of ∇_W F per line search and one or two more. For a smooth F this makes 5 if h is short
    and 10 to 20 if not. Memory is up to 24 arrays (n, d) in float64. `sol.state.memory` tells the residual of each
    step. The first residual above √tolerance gives a WgfWarning.

    The coupling x_k ↦ x must be optimal, or its cost is not W₂². It is checked against an exact solver (POT). If it
    costs more and weights are equal, an optimal assignment exchanges rows. This lowers Φ and keeps μ, and the descent
    continues. A row and its id thus follow the mass that left x_k. Unequal weights would have to be split: the excess
    is only reported.

    The dissipation of a step is ∫|x − x_k|² dμ / h², that is D at its end, in the Wasserstein metric. The closure is
    ½h ⟨v, Hess F v⟩/|v|² + O(h²); under k|x|²/2 it is hk/2 exactly.

    References
    ----------
    Jordan, Kinderlehrer & Otto (1998), The variational formulation of the Fokker–Planck equation, SIAM J. Math. Anal.
    29, 1–17.
    Carrillo, Craig, Wang & Wei (2022), Primal dual methods for Wasserstein gradient flows, Found. Comput. Math. 22,
    389–443.

    Examples
    --------
    >>> import wgf
    >>> sol = wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), JKO(), dt=0.1, t_end=0.1)
    >>> abs(sol.ensemble.x.item() - 1 / 1.1) < 1e-8
    True
    """

    tolerance: float = 1e-8
    max_line_searches: int = 200
    check_up_to: int = 500

    order: ClassVar[int] = 1
    ROUNDS: ClassVar[int] = 5
    """The largest number of descents in one step; between them rows are exchanged."""
    OPTIMAL: ClassVar[float] = 1e-9
    """A coupling counts as optimal if its excess over W₂², relative to W₂², is at most this."""

    def __post_init__(self) -> None:
        require_number("tolerance", self.tolerance, positive=True)
        require_integer("max_line_searches", self.max_line_searches, low=1)
        require_integer("check_up_to", self.check_up_to, low=0)

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Proximal:
        return Proximal()

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step. How well it was solved becomes the memory, a `Proximal`."""
        mu, before = state.mu, state.memory
        objective = _Objective(dynamics, state, h)
        start = objective.start()
        # a gradient at x_k below this is rounding, and no part of it can be reached
        scale = max(objective.gap(start), objective.rounding(start) / self.tolerance)
        if scale == 0:
            return Step(mu.moved(mu.x.clone()), torch.zeros_like(start.evaluation.value), replace(before, residual=0.0))
        found, excess, rounds = self._descend(objective, start, scale * self.tolerance)
        residual = objective.gap(found.point) / scale
        record = Proximal(residual, found.lines, excess, max(before.worst, residual), before.relabelled + (rounds > 0))
        if residual > math.sqrt(self.tolerance) >= before.worst:  # warn once in a run, at the first bad step
            warnings.warn(self._loose(state, residual, found), WgfWarning, stacklevel=2)
        away = objective.away(found.point.x)
        new = mu.moved(found.point.x.to(mu.dtype, copy=True))
        evaluation = None if dynamics.drift.sampled else found.point.evaluation
        return Step(new, mu.inner(away, away) / h**2, record, evaluation=evaluation)

    def _descend(self, objective: _Objective, point: Point, target: float) -> tuple[Descent, float, int]:
        """Descend, again if the coupling is not optimal. Returns the end, its excess and the exchanges."""
        lines = 0
        for relabelled in range(self.ROUNDS):
            found = objective.minimise(point, target, self.max_line_searches)
            if found.obstacle is not None:
                raise found.obstacle
            lines += found.lines
            found = replace(found, lines=lines)
            excess, order = self._coupling(objective, found.point)
            if order is None or relabelled == self.ROUNDS - 1:
                break
            point = objective(found.point.x[order])
        return found, excess, relabelled

    def _coupling(self, objective: _Objective, point: Point) -> tuple[float, Tensor | None]:
        """The excess of x_k ↦ x over W₂² (NaN if not checked), and a better order of the rows if there is one."""
        mu = objective.mu
        if objective.dynamics.domain is not None or (mu.dim > 1 and mu.n > self.check_up_to):
            return math.nan, None
        cost = objective.norm(objective.away(point.x)) ** 2
        if cost == 0:
            return 0.0, None
        new = mu.to(dtype=torch.float64).moved(point.x)
        from wgf.diagnostics.transport import wasserstein  # with scipy: imported where it is needed

        distance = wasserstein(mu, new, method="1d" if mu.dim == 1 else "emd").distance
        excess = max(cost / distance**2 - 1.0, 0.0) if distance > 0 else math.inf
        if excess <= self.OPTIMAL or not mu.equal_weights:
            return excess, None
        return excess, optimal_order(mu.x, point.x)

    def _loose(self, state: State, residual: float, found: Descent) -> str:
        """The warning that a step was not solved to the tolerance."""
        return (
            f"step {state.step}, t = {state.t:g}: JKO solved the proximal problem to a residual of {residual:.1e} in "
            f"{found.lines} lines; wanted {self.tolerance:.0e}. F falls all the same; raise "
            f"max_line_searches = {self.max_line_searches}, or "
            "shorten dt, for the minimum itself."
        )


class _Objective:
    """Φ and its L²(μ) gradient, in float64 for particles of any dtype."""

    def __init__(self, dynamics: Dynamics, state: State, h: float) -> None:
        self.dynamics, self.state, self.h, self.mu = dynamics, state, h, state.mu
        self._origin = state.mu.x.double()
        self._walls = dynamics.domain is not None and dynamics.domain.walls

    def inner(self, a: Tensor, b: Tensor) -> float:
        """The inner product ∫ a·b dμ of rows (n, d)."""
        return float(self.mu.inner(a, b))

    def norm(self, a: Tensor) -> float:
        return math.sqrt(self.inner(a, a))

    def away(self, x: Tensor) -> Tensor:
        """x − x_k, with x rounded to the dtype of the particles."""
        return x.to(self.mu.dtype).double() - self._origin

    def start(self) -> Point:
        """Φ at x_k. The evaluation of the state serves, unless F depends on t."""
        known = None if self.dynamics.drift.varies else self.state.evaluation
        return self(self._origin, known)

    def __call__(self, x: Tensor, evaluation: FreeEnergyEvaluation | None = None) -> Point:
        dynamics, t = self.dynamics, self.state.t + self.h
        x = x.to(self.mu.dtype)
        if evaluation is None:
            evaluation = dynamics.evaluate(self.mu.moved(x), t, self.state.step)
        away = self.away(x)
        gradient = evaluation.gradient.double() + away / self.h
        prox = self.inner(away, away) / (2 * self.h)
        value = float(evaluation.value) + prox
        if not math.isfinite(value + self.norm(gradient)):
            raise DivergenceError(f"step {self.state.step}, t = {t:g}: F or its force is not finite; try a smaller dt.")
        size = prox + sum(abs(p.term.coefficient.number) * abs(float(p.value)) for p in evaluation.terms)
        return Point(x.double(), value, gradient, 8 * torch.finfo(self.mu.dtype).eps * size, evaluation)

    def _nearest(self, x: Tensor) -> Tensor:
        """The nearest point of the domain, computed in the dtype of the particles: it must be inside in that dtype."""
        assert self.dynamics.domain is not None
        return self.dynamics.domain.nearest(x.to(self.mu.dtype)).double()

    def minimise(self, start: Point, target: float, lines: int) -> Descent:
        """Descend from `start`: by L-BFGS, inside walls by projected gradients."""
        length = self._length(start)
        if self._walls:
            return minimise_within(self._nearest, self, start, self.inner, length, target, lines)
        return minimise(self, start, self.inner, length, target, lines)

    def _length(self, start: Point) -> float:
        """The length of the first step along −∇Φ: one over the rate of change of ∇Φ, at most h.

        A longer step could reach a lower place beyond, where particles have passed each other; under log-det the
        reflected ensemble is such a place. The rate costs one evaluation. For a small h it is not needed.
        """
        size, steep = self.norm(start.x) or 1.0, self.norm(start.gradient)
        near = torch.finfo(self.mu.dtype).eps ** (1 / 3) * size
        if self.h * steep <= near:
            return self.h
        away = -(near / steep) * start.gradient
        try:
            probe = self(self._nearest(start.x + away) if self._walls else start.x + away)
        except WgfError:
            return near / steep
        moved = self.norm(probe.x - start.x)
        rate = self.norm(probe.gradient - start.gradient) / moved if moved > 0 else 0.0
        return min(self.h, 1 / rate) if rate > 0 else self.h

    def gap(self, point: Point) -> float:
        """The norm of ∇Φ, without the part that points into a wall."""
        if not self._walls:
            return self.norm(point.gradient)
        return self.norm(self._nearest(point.x - self.h * point.gradient) - point.x) / self.h

    def rounding(self, point: Point) -> float:
        """The rounding error of ∇_W F, as a sum of its terms."""
        eps = torch.finfo(self.mu.dtype).eps
        return 8 * eps * sum(abs(p.term.coefficient.number) * self.norm(p.gradient) for p in point.evaluation.terms)


def optimal_order(x: Tensor, y: Tensor) -> Tensor:
    """Find the permutation σ for which x_i ↦ y_{σ(i)} is an optimal coupling, for equal weights.

    Parameters
    ----------
    x, y : Tensor
        Points (n, d).

    Returns
    -------
    Tensor
        σ (n,), int64: by sorting in one dimension, else by an optimal assignment in O(n³) time and O(n²) memory.

    Examples
    --------
    >>> optimal_order(torch.tensor([[0.0], [1.0]]), torch.tensor([[1.2], [0.1]])).tolist()
    [1, 0]
    """
    if x.shape[1] == 1:
        order = torch.empty(len(x), dtype=torch.int64, device=x.device)
        order[torch.argsort(x[:, 0], stable=True)] = torch.argsort(y[:, 0], stable=True)
        return order
    a, b = (part.detach().cpu().numpy().astype(np.float64) for part in (x, y))
    from scipy.optimize import linear_sum_assignment  # imported here, since it takes a tenth of a second
    from scipy.spatial.distance import cdist

    return torch.from_numpy(linear_sum_assignment(cdist(a, b, "sqeuclidean"))[1]).to(x.device)
