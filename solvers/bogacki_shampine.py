"""The Runge–Kutta pair of Bogacki and Shampine, which chooses the length of its steps by an estimate of the error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from wgf.errors import ConfigError, StepSizeError, WgfError, require_number, shown
from wgf.functional import FreeEnergyEvaluation
from wgf.measure import Ensemble, NoiseSource
from wgf.ops import bodies, linalg
from wgf.protocol import Dynamics, Solver, State, Step
from wgf.protocol.requirements import require_full_batch

from .tableau import advance, quadrature, stages, tableau_body


@dataclass(frozen=True, eq=False)
class _Trial:
    """A step that was tried: its end, its error in units of the tolerance, and the row `worst` of the largest error."""

    mu: Ensemble
    evaluation: FreeEnergyEvaluation
    dissipation: Tensor
    error: float
    worst: int


@dataclass(frozen=True)
class BogackiShampine(Solver):
    """An adaptive Runge–Kutta scheme for ẋ = v = −∇_W F. Take it for a smooth flow where no good h is known.

        k₁ = v(x, t),   k₂ = v(x + ½h k₁, t + ½h),   k₃ = v(x + ¾h k₂, t + ¾h)
        x' = x + h (2k₁ + 3k₂ + 4k₃)/9,   k₄ = v(x', t + h),   e = h (−5k₁ + 6k₂ + 8k₃ − 9k₄)/72

    The error e is the difference to an embedded formula of order 2. It is measured in L²(μ) per component:

        err² = ∫ (|e|²/d) / (atol + rtol |x|/√d)² dμ,   |x| the larger norm of both ends

    A step is accepted if err ≤ 1; otherwise it is tried again with a smaller h.

    Parameters
    ----------
    rtol : float, default 1e-3
        Allowed error per step in proportion to |x|/√d, without unit, ≥ 0.
    atol : float, default 1e-5
        Allowed error per step as a length, in the units of x, ≥ 0. At least one tolerance must be positive.
    adaptive : bool, default True
        If False, all steps have length `dt` and no error is estimated.

    Raises
    ------
    ConfigError
        If a tolerance is negative or both are 0. From `solve`, if F has a Shannon term, which has no force on
        particles; or if a term uses minibatches and the step adapts, since their scatter would count as error.
    StepSizeError
        From `solve`, if h falls below the rounding of t, or so far that a step moves no particle. The message names
        step, time, particle and term.

    See Also
    --------
    wgf.solvers.Euler, wgf.solvers.Heun, wgf.solvers.RungeKutta4, wgf.solvers.JKO

    Notes
    -----
    t and h are times of the flow, in units of |x|² over F. The order is 3. With fixed steps the scheme is stable on a
    quadratic of stiffness k for h < 2.51/k. A step costs three evaluations of ∇_W F, since k₄ is the k₁ of the next
    step; memory is O(n·d). The dissipation of a step is Σ bᵢ ∫|kᵢ|² dμ, in the Wasserstein metric.

    `dt` of `solve` is the first h that is tried. The next h is h · SAFETY · err^(−0.7/3) · err_before^(0.4/3), a PI
    controller. One step changes h by a factor between SHRINK and GROW, and does not raise it after a rejection. The
    last step ends at t_end exactly; a run that continues takes up the h proposed before it.

    References
    ----------
    Bogacki & Shampine (1989), A 3(2) pair of Runge–Kutta formulas, Appl. Math. Lett. 2, 321–325.
    Söderlind (2002), Automatic control and adaptive time-stepping, Numer. Algorithms 31, 281–310.

    Examples
    --------
    >>> import math, wgf
    >>> solver = BogackiShampine(rtol=1e-6, atol=1e-9)
    >>> sol = wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), solver, dt=0.1, t_end=1.0)
    >>> abs(sol.ensemble.x.item() - math.exp(-1)) < 1e-6
    True
    """

    rtol: float = 1e-3
    atol: float = 1e-5
    adaptive: bool = True

    elementwise = True
    on_surfaces = True
    order: ClassVar[int] = 3
    integrates = True
    evaluations = 3
    A: ClassVar[tuple[tuple[float, ...], ...]] = ((), (0.5,), (0.0, 0.75))
    B: ClassVar[tuple[float, ...]] = (2 / 9, 1 / 3, 4 / 9)
    C: ClassVar[tuple[float, ...]] = (0.0, 0.5, 0.75)
    ERROR: ClassVar[tuple[float, ...]] = (-5 / 72, 1 / 12, 1 / 9, -1 / 8)
    """The weights of order 3 minus those of the embedded formula, (7/24, 1/4, 1/3, 1/8)."""
    SAFETY: ClassVar[float] = 0.9
    """A factor on the proposed h, so that most proposals are accepted."""
    SHRINK: ClassVar[float] = 0.2
    """The smallest factor by which one step changes h."""
    GROW: ClassVar[float] = 5.0
    """The largest factor by which one step changes h."""
    PROPORTIONAL: ClassVar[float] = 0.4 / 3
    """The exponent of the error before in the controller."""
    INTEGRAL: ClassVar[float] = 0.7 / 3
    """The exponent of the present error in the controller."""

    def __post_init__(self) -> None:
        rtol, atol = (require_number(name, getattr(self, name), nonnegative=True) for name in ("rtol", "atol"))
        if rtol == atol == 0:
            raise ConfigError("rtol = 0 and atol = 0: wanted at least one positive tolerance.")
        if not isinstance(self.adaptive, bool):
            raise ConfigError(f"adaptive = {shown(self.adaptive)}: wanted True or False.")

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        if self.adaptive:
            require_full_batch(self, dynamics.free_energy)

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take a step of at most h that meets the tolerances. The first h tried is the proposal of the step before."""
        if not self.adaptive:
            trial = self._try(dynamics, state, h)
            return Step(trial.mu, trial.dissipation, evaluation=trial.evaluation)
        proposal, before = state.memory or (state.dt, 1.0)
        length, rejected = min(proposal, h), False
        failed: _Trial | WgfError | None = None
        shortest = 4 * math.ulp(max(abs(state.t), state.dt))
        while True:
            tried = self._attempt(dynamics, state, length)
            if isinstance(tried, _Trial) and tried.error <= 1:
                still = rejected and state.mu.everywhere(torch.equal(tried.mu.x, state.mu.x))
                if still:  # a longer step failed, and this one moves nothing
                    raise StepSizeError(self._underflow(state, length, failed, "the particles"))
                if length == h or length >= shortest:
                    break
            else:
                error = tried.error if isinstance(tried, _Trial) else math.inf
                length *= max(self.SHRINK, self.SAFETY * error ** (-1 / 3)) if math.isfinite(error) else self.SHRINK
                rejected, failed = True, tried
            if length < shortest:
                raise StepSizeError(self._underflow(state, length, tried))
        error = max(tried.error, 1e-4)
        factor = self.SAFETY * error**-self.INTEGRAL * before**self.PROPORTIONAL
        following = length * min(1.0 if rejected else self.GROW, max(self.SHRINK, factor))
        if length < proposal and not rejected:  # t_end made the step short, not its error: keep the proposal
            following, error = max(following, proposal), before
        return Step(tried.mu, tried.dissipation, (following, error), length, tried.evaluation)

    def body(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Any:
        if not self.adaptive:
            return tableau_body(state.mu, h, self.A, self.B, self.C)._replace(ending=True)
        rows, none = np.zeros((3, 3)), np.empty(0)
        for i, row in enumerate(self.A):
            rows[i, : len(row)] = row
        weights, tolerances = np.array(self.B), np.array([self.rtol, self.atol])
        controller = np.array([self.SAFETY, self.SHRINK, self.GROW, self.INTEGRAL, self.PROPORTIONAL])
        error = np.array(self.ERROR)
        return bodies.AdaptiveRungeKutta(
            rows, weights, error, tolerances, controller, weights, math.inf, state.dt, none, none.reshape(0, 2), none
        )

    def _attempt(self, dynamics: Dynamics, state: State, h: float) -> _Trial | WgfError:
        """Try a step; if F cannot be evaluated on the way, return that error, since a shorter step may succeed."""
        try:
            return self._try(dynamics, state, h)
        except WgfError as error:
            return error

    def _try(self, dynamics: Dynamics, state: State, h: float) -> _Trial:
        """Compute a step of length h and its error."""
        mu, t = state.mu, state.t
        velocities = stages(dynamics, state, h, self.A, self.C)
        dissipation = quadrature(mu, self.B, velocities)
        new = dynamics.fold(mu.moved(advance(mu.x, h, self.B, velocities)), mu)
        evaluation = dynamics.evaluate(new, t + h, state.step + 1)
        if not self.adaptive:
            return _Trial(new, evaluation, dissipation, 0.0, 0)
        e = advance(torch.zeros_like(mu.x), h, self.ERROR, [*velocities, -evaluation.gradient])
        size = linalg.roots(torch.maximum(linalg.row_dot(mu.x, mu.x), linalg.row_dot(new.x, new.x)))
        size = size / math.sqrt(mu.dim)
        squares, allowed = linalg.row_dot(e, e) / mu.dim, (self.atol + self.rtol * size) ** 2
        ratio = torch.where(squares == 0, 0.0, squares / allowed)  # 0/0 at the origin where atol = 0 counts as no error
        return _Trial(new, evaluation, dissipation, math.sqrt(float(mu.expect(ratio))), int(ratio.argmax()))

    def _underflow(self, state: State, h: float, tried: _Trial | WgfError | None, of: str = "t") -> str:
        """The message of the error when no step is short enough: the cause, and what the user can do."""
        where = f"step {state.step}, t = {state.t:g}: the step fell to {h:.2g}, below the rounding of {of}"
        if not isinstance(tried, _Trial):
            return f"{where}; what stops it: {tried}"
        i = tried.worst
        forces = {
            p.term.name: abs(p.term.coefficient.number) * float(p.gradient[i].norm()) for p in tried.evaluation.terms
        }
        term = max(forces, key=forces.__getitem__, default="no term")
        return (
            f"{where}; the error is largest at particle {i} (id {int(state.mu.ids[i])}), where {term} has the largest "
            f"force. Raise rtol = {self.rtol:g} or atol = {self.atol:g}, or stop before F becomes singular."
        )
