"""Accelerated descent of the free energy: particles with momenta and friction, restarted where F would rise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wgf.errors import ConfigError, require_number, shown
from wgf.functional import FreeEnergyEvaluation
from wgf.measure import Ensemble, NoiseSource
from wgf.protocol import Dynamics, Slope, Solver, State, Step, remembered
from wgf.protocol.requirements import require_full_batch


@remembered
@dataclass(frozen=True, eq=False)
class Momenta:
    """What `Accelerated` remembers between steps: `sol.state.memory`.

    Attributes
    ----------
    p : Tensor
        Momenta (n, d), in the dtype of the particles; they are velocities, in units of √F.
    age : Tensor
        Time since the momenta were last at rest: 0-d float64.
    restarts : Tensor
        How often the momenta were set to 0 in this run: 0-d.
    """

    p: Tensor
    age: Tensor
    restarts: Tensor


@dataclass(frozen=True)
class Accelerated(Solver):
    """Descent with momenta p and friction γ. Take it to find the minimum of a badly conditioned F.

    It integrates ẋ = p, ṗ = −γ p − ∇_W F[μ](x), from p = 0. A step is half a kick with friction, a drift, and half a
    kick with the new force. The kicks are exact for a constant force; for a constant γ:

        p ← e^{−γh/2} p − (1 − e^{−γh/2})/γ ∇_W F(x),   x ← x + h p,   p ← the same kick with ∇_W F at the new x

    Parameters
    ----------
    damping : float or "nesterov", default "nesterov"
        The friction γ ≥ 0, one over the time of this flow. "nesterov" is γ = 3/s, s the time since the start or the
        last restart. For a k-convex F, 2√k is a good number.
    restart : {"gradient", "function", None}, default "gradient"
        When all momenta are set to 0 and s begins anew. "gradient": when F rises along the motion at the end of a step,
        ∫ p·∇_W F dμ > 0. "function": when F is larger than one step before; the work of a drive counts as a rise too.
        None: never.

    Raises
    ------
    ConfigError
        If a setting is none of these. From `solve`, if F has a Shannon term, which has no force on particles; or if
        `restart` is "function" and a term uses minibatches, whose values of F cannot be compared.

    See Also
    --------
    wgf.solvers.Euler, wgf.solvers.Underdamped

    Notes
    -----
    t and h are times of this flow, in units of |x| over √F. Its number of steps therefore grows with the root of the
    condition number of F, that of `Euler` with the condition number itself. The order is 2. On a quadratic of stiffness
    k the scheme is stable at least for h < 2/√k. A step costs one evaluation of ∇_W F; memory is O(n·d).

    Rates: with "nesterov" F − F* ≤ 2|x₀ − x*|²/s² for a convex F. With γ = 2√k F − F* falls like e^{−√k t} for a
    k-convex F, and like (1 + √k t)² e^{−2√k t} on a quadratic of stiffness k. With restarts and a convex F no two
    steps in a row go up, since a step from rest goes down.

    F + ½∫|p|² dμ falls at the rate γ∫|p|² dμ, the dissipation, taken at the middle of a step. The kinetic energy that a
    restart takes counts as dissipated in its step. The ledger closes to order 2. On a GPU no step waits for the
    decision to restart.

    References
    ----------
    Taghvaei & Mehta (2019), Accelerated flow for probability distributions, ICML.
    Wang & Li (2022), Accelerated information gradient flow, J. Sci. Comput. 90, 11.
    Su, Boyd & Candès (2016), A differential equation for modeling Nesterov's accelerated gradient method, J. Mach.
    Learn. Res. 17, 153. (γ = 3/s.)
    O'Donoghue & Candès (2015), Adaptive restart for accelerated gradient schemes, Found. Comput. Math. 15, 715–732.

    Examples
    --------
    >>> import wgf
    >>> F, mu = wgf.Quadratic([1.0, 100.0]), wgf.Ensemble.gaussian(20, 2)
    >>> sol = wgf.solve(F, mu, Accelerated(), dt=0.05, t_end=8.0)
    >>> bool(sol.ledger["free_energy"][-1] < 1e-6 * sol.ledger["free_energy"][0])
    True
    """

    damping: float | str = "nesterov"
    restart: str | None = "gradient"

    order: ClassVar[int] = 2
    integrates = True
    on_surfaces = True
    metric = "friction, γ ∫|p|² dμ"

    def __post_init__(self) -> None:
        if self.damping != "nesterov":
            if isinstance(self.damping, str):
                raise ConfigError(f"damping = {shown(self.damping)}: wanted a number ≥ 0 or 'nesterov'.")
            require_number("damping", self.damping, nonnegative=True)
        if self.restart not in ("gradient", "function", None):
            raise ConfigError(f"restart = {shown(self.restart)}: wanted 'gradient', 'function' or None.")

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        if self.restart == "function":
            require_full_batch(self, dynamics.free_energy)

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Momenta:
        zero = torch.zeros((), dtype=torch.float64, device=mu.device)
        return Momenta(torch.zeros_like(mu.x), zero, zero)

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step. The decision to restart stays a tensor, so that a GPU does not wait for it."""
        mu, before, half = state.mu, state.memory, 0.5 * h
        kept, push, _ = self._friction(before.age, half)
        p = kept.to(mu.dtype) * before.p - push.to(mu.dtype) * state.evaluation.gradient
        middle = mu.inner(p, p)
        x = mu.x + h * p
        if dynamics.domain is not None:
            x, p = dynamics.domain.carry(x, p, start=mu.x)
        new = mu.moved(x)
        evaluation = dynamics.evaluate(new, state.t + h, state.step + 1)
        stop = self._rises(new, p, evaluation, state)
        kept, push, rate = self._friction(before.age + half, half)
        p = kept.to(mu.dtype) * p - push.to(mu.dtype) * evaluation.gradient
        taken = torch.where(stop, 0.5 * mu.inner(p, p), 0.0)
        p = torch.where(stop, torch.zeros_like(p), p)
        age = torch.where(stop, 0.0, before.age + h)
        memory = Momenta(p, age, before.restarts + stop)
        return Step(new, rate * middle + taken / h, memory, evaluation=evaluation)

    def _friction(self, age: Tensor, h: float) -> tuple[Tensor, Tensor, Tensor]:
        """The factor on p over a time h from this age, the velocity that a unit force adds, and γ at this age."""
        if self.damping == "nesterov":
            end = age + h
            push = h * (end + age) * (end * end + age * age) / (4.0 * end**3)  # (end⁴ − age⁴)/(4 end³)
            return (age / end) ** 3, push, 3.0 / age
        rate = float(self.damping)
        added = -math.expm1(-rate * h) / rate if rate else h
        return torch.full_like(age, math.exp(-rate * h)), torch.full_like(age, added), torch.full_like(age, rate)

    def _rises(self, mu: Ensemble, p: Tensor, evaluation: FreeEnergyEvaluation, before: State) -> Tensor:
        """Whether the criterion of `restart` says that F rises at the end of the step: a 0-d boolean tensor."""
        if self.restart == "gradient":
            return mu.inner(p, evaluation.gradient) > 0
        if self.restart == "function":
            return evaluation.value > before.evaluation.value
        return torch.zeros((), dtype=torch.bool, device=mu.device)

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor:
        """The dissipation γ ∫|p|² dμ; 0 at rest, where γ = 3/s is infinite."""
        p, age = state.memory.p, state.memory.age
        square = state.mu.inner(p, p)
        if self.damping != "nesterov":
            return float(self.damping) * square
        return torch.where(age > 0, 3.0 * square / age, 0.0)

    def kinetic(self, state: State) -> Tensor:
        return 0.5 * state.mu.inner(state.memory.p, state.memory.p)
