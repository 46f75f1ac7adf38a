"""The embedded 3(2) pair of Bogacki and Shampine, with control of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wgf.errors import ConfigError, StepSizeError, WgfError, require_number
from wgf.functional import FreeEnergyEvaluation
from wgf.measure import Ensemble, NoiseSource
from wgf.ops import linalg
from wgf.protocol import Dynamics, Solver, State, Step
from wgf.protocol.requirements import require_full_batch

from .tableau import advance, quadrature, stages


@dataclass(frozen=True, eq=False)
class _Trial:
    """A step that was tried: where it leads, and its error in units of the tolerance, at `worst` the largest."""

    mu: Ensemble
    evaluation: FreeEnergyEvaluation
    dissipation: Tensor
    error: float
    worst: int


@dataclass(frozen=True)
class BogackiShampine(Solver):
    """Order 3 with an embedded order 2, first stage same as last: three evaluations of ∇_W F a step.

    The error e of the embedded formula is measured in L²(μ) per component,  err² = ∫ (|e|²/d)/(atol + rtol |x|/√d)² dμ
    with the larger |x| of both ends; a step is taken where err ≤ 1, else tried again shorter. The next length is
    h · SAFETY · err^(−.7/3) · err_before^(.4/3) (a PI controller), changed at most by SHRINK and GROW and not raised
    right after a rejection. `dt` of `solve` is the first length tried; the last step ends at t_end exactly, and the
    proposal survives it. h is a time of the flow, atol a length in the space of the particles.

    With `adaptive=False` all steps have length dt and no error is estimated. StepSizeError where a step falls below the
    rounding of t: its message names step, time, particle and term. Over a step the dissipation is Σ bᵢ D(stage i).
    Minibatches are refused where the step adapts. (Bogacki & Shampine 1989; Söderlind 2002 on the controller.)
    """

    rtol: float = 1e-3
    atol: float = 1e-5
    adaptive: bool = True

    order: ClassVar[int] = 3
    A: ClassVar[tuple[tuple[float, ...], ...]] = ((), (0.5,), (0.0, 0.75))
    B: ClassVar[tuple[float, ...]] = (2 / 9, 1 / 3, 4 / 9)
    C: ClassVar[tuple[float, ...]] = (0.0, 0.5, 0.75)
    ERROR: ClassVar[tuple[float, ...]] = (-5 / 72, 1 / 12, 1 / 9, -1 / 8)
    """Third-order weights minus those of the embedded formula (7/24, 1/4, 1/3, 1/8)."""
    SAFETY: ClassVar[float] = 0.9
    SHRINK: ClassVar[float] = 0.2
    GROW: ClassVar[float] = 5.0
    PROPORTIONAL: ClassVar[float] = 0.4 / 3
    INTEGRAL: ClassVar[float] = 0.7 / 3

    def __post_init__(self) -> None:
        rtol, atol = (require_number(name, getattr(self, name), nonnegative=True) for name in ("rtol", "atol"))
        if rtol == atol == 0:
            raise ConfigError("rtol = 0 and atol = 0: wanted at least one positive tolerance.")
        if not isinstance(self.adaptive, bool):
            raise ConfigError(f"adaptive = {self.adaptive!r}: wanted True or False.")

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        if self.adaptive:
            require_full_batch(self, dynamics.free_energy)

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """The longest step up to h that meets the tolerances, starting from the proposal of the step before."""
        if not self.adaptive:
            trial = self._try(dynamics, state, h)
            return Step(trial.mu, trial.dissipation, evaluation=trial.evaluation)
        proposal, before = state.memory or (state.dt, 1.0)
        length, rejected = min(proposal, h), False
        shortest = 4 * math.ulp(max(abs(state.t), state.dt))
        while True:
            tried = self._attempt(dynamics, state, length)
            if isinstance(tried, _Trial) and tried.error <= 1:
                if length == h or length >= shortest:
                    break
            else:
                error = tried.error if isinstance(tried, _Trial) else math.inf
                length *= max(self.SHRINK, self.SAFETY * error ** (-1 / 3)) if math.isfinite(error) else self.SHRINK
                rejected = True
            if length < shortest:
                raise StepSizeError(self._underflow(state, length, tried))
        error = max(tried.error, 1e-4)
        factor = self.SAFETY * error**-self.INTEGRAL * before**self.PROPORTIONAL
        following = length * min(1.0 if rejected else self.GROW, max(self.SHRINK, factor))
        if length < proposal and not rejected:  # cut short by t_end, which says nothing about the flow
            following, error = max(following, proposal), before
        return Step(tried.mu, tried.dissipation, (following, error), length, tried.evaluation)

    def _attempt(self, dynamics: Dynamics, state: State, h: float) -> _Trial | WgfError:
        """A trial, or why F could not be evaluated on its way: then a shorter one may succeed."""
        try:
            return self._try(dynamics, state, h)
        except WgfError as error:
            return error

    def _try(self, dynamics: Dynamics, state: State, h: float) -> _Trial:
        mu, t = state.mu, state.t
        velocities = stages(dynamics, state, h, self.A, self.C)
        dissipation = quadrature(mu, self.B, velocities)
        new = dynamics.fold(mu.moved(advance(mu.x, h, self.B, velocities)))
        evaluation = dynamics.evaluate(new, t + h, state.step + 1)
        if not self.adaptive:
            return _Trial(new, evaluation, dissipation, 0.0, 0)
        e = advance(torch.zeros_like(mu.x), h, self.ERROR, [*velocities, -evaluation.gradient])
        size = torch.maximum(linalg.row_dot(mu.x, mu.x), linalg.row_dot(new.x, new.x)).sqrt() / math.sqrt(mu.dim)
        squares, allowed = linalg.row_dot(e, e) / mu.dim, (self.atol + self.rtol * size) ** 2
        ratio = torch.where(squares == 0, 0.0, squares / allowed)  # 0/0 at the origin where atol = 0: no error
        return _Trial(new, evaluation, dissipation, math.sqrt(float(mu.expect(ratio))), int(ratio.argmax()))

    def _underflow(self, state: State, h: float, tried: _Trial | WgfError) -> str:
        """What to say where no step is short enough: who asked for it, and what the user can do."""
        where = f"step {state.step}, t = {state.t:g}: the step fell to {h:.2g}, below the rounding of t"
        if isinstance(tried, WgfError):
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
