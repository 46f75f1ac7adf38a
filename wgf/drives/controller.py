"""A thermostat: the temperature follows the run so that the information force, or the entropy, is held."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..errors import ConfigError, DivergenceError, require_number
from ..functional import Control, Functional, View
from ..ledger.forces import Forces
from ..measure import Ensemble
from .plain import require_plain

_STEEP = 700.0
"""A change of log T that takes any T to a bound; exp of more would overflow."""


@dataclass(frozen=True)
class Controller(Control):
    """A temperature T by feedback, `F - Controller(0.1, ratio=0.5) * LogDet()`: between steps of length h

        log T ← log T + (1 − exp(−h·gain)) (log r* − log r),    r = ‖T ∇_W S‖/‖∇_W E‖ in L²(μ)    (`ratio` = r*), or
        log T ← log T + h·gain·(S* − S)                                                           (`entropy` = S*),

    kept within [low, high]. One of the two targets is given. The first is d log T/dt = gain·(log r* − log r), solved
    over the step for r ∝ T, so that no gain makes the temperature itself swing.

    Parameters
    ----------
    initial : T at the start of the run, in [low, high].
    ratio : the wanted information-force ratio r* > 0, the ledger's `force_ratio` (all entropies of F together).
    entropy : the wanted entropy S*, of the one entropy that the controller multiplies.
    gain : > 0; per time for a ratio, per time and unit of entropy otherwise. Where T has to fall or rise at the rate
        d log T/dt = c to hold the target, it is missed by c/gain. The particles follow T in their own time, and a loop
        that is much faster than they are may swing around an entropy: gain below their rate of relaxation is safe.
    low, high : bounds 0 < low ≤ high of T. A bound that is reached holds T there; nothing winds up.
    sensor : another entropy that is measured instead, as r = T‖∇_W sensor‖/‖∇_W E‖ or S = sensor[μ]: Shannon, which
        noise realises and which has no force on particles, needs one, such as LogDet().

    Where ∇_W E = 0 a ratio is infinite and T falls to `low`; where the entropy has no force T rises to `high`; where
    both vanish T stays. What the change of T does to F is booked as work; the ledger has T as `drive:Controller`. With
    minibatches E is that of the minibatch. ConfigError for a target or bounds that are not as above, a Shannon entropy
    without sensor, and a sensor with a rule still to be settled. (The idea of an entropy whose force is kept effective:
    Human-Centered Learning Mechanics, arXiv:2605.22940; a controlled multiplier of an entropy target is also that of
    soft actor–critic, Haarnoja et al. 2018.)

    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(50, 2, seed=1)
    >>> F = wgf.Quadratic(2.0) - wgf.drives.Controller(0.5, entropy=1.0) * wgf.LogDet()  # T = 2 exp(2 S*/d) there
    >>> sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.05, t_end=30.0)
    >>> round(float(sol.ledger["entropy"][-1]), 6), round(float(sol.ledger["temperature"][-1]) / math.exp(1.0), 6)
    (1.0, 2.0)
    """

    initial: float
    ratio: float | None = None
    entropy: float | None = None
    gain: float = 1.0
    low: float = 1e-8
    high: float = 1e8
    sensor: Functional | None = None

    def __post_init__(self) -> None:
        if (self.ratio is None) == (self.entropy is None):
            raise ConfigError("Controller: wanted ratio= or entropy=, and one of them only.")
        for name in ("initial", "gain", "low", "high"):
            object.__setattr__(self, name, require_number(f"Controller {name}", getattr(self, name), positive=True))
        if self.ratio is not None:
            require_number("Controller ratio", self.ratio, positive=True)
        if self.entropy is not None:
            require_number("Controller entropy", self.entropy)
        if not self.low <= self.initial <= self.high:
            raise ConfigError(
                f"Controller: initial = {self.initial:g}, low = {self.low:g}, high = {self.high:g}; wanted "
                "0 < low ≤ initial ≤ high."
            )
        if self.sensor is not None and not require_plain("Controller sensor", self.sensor).is_entropy:
            raise ConfigError(f"Controller: sensor = {self.sensor!r}; wanted an entropy such as wgf.LogDet().")

    def __mul__(self, term: object) -> Any:
        """T · term, as `Functional` does it; what has no entropy to steer by is refused where F is written."""
        for part in term._terms() if isinstance(term, Functional) else ():
            if not part.functional.is_entropy:
                raise ConfigError(f"Controller of {part.name}: it is a temperature; wanted an entropy such as LogDet.")
            if part.functional.realised_by_noise:
                self._require_sensor()
        return NotImplemented

    def _require_sensor(self) -> None:
        if self.sensor is None:
            raise ConfigError(
                "Controller of Shannon: noise realises it, its value and force are not known on particles; wanted a "
                "sensor to go by, Controller(..., sensor=wgf.LogDet())."
            )

    def begin(self, mu: Ensemble, t: float) -> float:
        """T."""
        if self.sensor is not None and self.sensor.prepare(mu) is not self.sensor:
            raise ConfigError(
                f"Controller: the sensor {self.sensor!r} has a rule that the start would settle; give it as a number."
            )
        return self.initial

    def advance(self, memory: float, view: View, h: float) -> float:
        if not view.terms:  # written as Shannon() * controller
            self._require_sensor()
        off = self._off_ratio(view, memory) if self.ratio is not None else self._off_entropy(view)
        if math.isnan(off):
            raise DivergenceError(f"t = {view.t:g}: what the controller measures is not a number; try a smaller dt.")
        share = h * self.gain if self.ratio is None else -math.expm1(-h * self.gain)
        later = min(max(memory * math.exp(min(share * off, _STEEP)), self.low), self.high)
        return memory if later == memory else later

    def value(self, memory: float) -> float:
        return memory

    def _off_ratio(self, view: View, temperature: float) -> float:
        """log r* − log r."""
        assert self.ratio is not None
        forces = Forces.of(view.evaluation)

        def norm(force: Tensor) -> float:
            return math.sqrt(float(view.mu.inner(force, force)))

        loss = norm(forces.energetic)
        if self.sensor is not None:
            information = temperature * norm(self.sensor.gradient(view.mu))
        else:
            assert forces.entropic is not None
            information = norm(forces.entropic)
        if math.isnan(loss) or math.isnan(information):
            return math.nan
        if loss == 0.0 or information == 0.0:
            return 0.0 if loss == information else math.inf if information == 0.0 else -math.inf
        return math.log(self.ratio) - math.log(information) + math.log(loss)

    def _off_entropy(self, view: View) -> float:
        """S* − S."""
        assert self.entropy is not None
        if self.sensor is not None:
            return self.entropy - float(self.sensor.value(view.mu))
        if len(view.terms) != 1 or not view.terms[0].term.functional.is_entropy:
            raise ConfigError(
                f"Controller(entropy={self.entropy:g}) multiplies {', '.join(p.term.name for p in view.terms)}; wanted "
                "one entropy, or a sensor to go by."
            )
        return self.entropy - float(view.terms[0].value)
