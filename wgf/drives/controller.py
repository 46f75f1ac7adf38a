"""A thermostat: the temperature follows the run so that the information force, or the entropy, keeps a target value."""

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
"""The largest change of log T in a step: it takes any T to a bound, and exp of it does not overflow."""


@dataclass(frozen=True)
class Controller(Control):
    """A temperature T that feedback adapts between steps, `F - Controller(0.1, ratio=0.5) * LogDet()`.

    After a step of length h, with r = ‖T ∇_W S‖/‖∇_W E‖ in L²(μ) and one of two targets, r* (`ratio`) or S*
    (`entropy`):

        log T ← log T + (1 − exp(−h·gain)) (log r* − log r)
        log T ← log T + h·gain·(S* − S)

    T is kept in [low, high]. The first is d log T/dt = gain·(log r* − log r), solved over the step for r ∝ T. So no
    gain makes the temperature itself oscillate.

    Parameters
    ----------
    initial : float
        T at the start of the run, in [low, high].
    ratio : float, optional
        The wanted information-force ratio r* > 0: the ledger's `force_ratio`, over all entropies of F.
    entropy : float, optional
        The wanted value S* of the one entropy that the controller multiplies.
    gain : float
        > 0; per time for a ratio, per time and unit of entropy otherwise. If T has to change at the rate d log T/dt = c
        to hold the target, the target is missed by c/gain.
    low, high : float
        Bounds 0 < low ≤ high of T. A bound that is reached holds T there; no error accumulates meanwhile.
    sensor : Entropy, optional
        Another entropy to measure, as r = T‖∇_W sensor‖/‖∇_W E‖ or S = sensor[μ]. Needed for Shannon, which has no
        force on particles; LogDet() will do.

    Raises
    ------
    ConfigError
        For both targets or none, bounds in another order, Shannon without sensor, a term that is no entropy, or a
        sensor with a bandwidth that is still a rule.
    DivergenceError
        If what is measured is not a number.

    See Also
    --------
    wgf.drives.Schedule, wgf.diagnostics.force_report

    Notes
    -----
    Particles follow T in their own time. A loop much faster than they are may oscillate around an entropy: a gain below
    their rate of relaxation is safe. Where ∇_W E = 0 the ratio is infinite and T falls to `low`. Where the entropy has
    no force T rises to `high`. Where both vanish T stays. The change of T is booked as work; the ledger has T as
    `drive:Controller`. With minibatches E is that of the minibatch.

    References
    ----------
    Haarnoja et al. (2018), Soft actor–critic algorithms and applications, arXiv:1812.05905: a multiplier that holds an
    entropy. Human-Centered Learning Mechanics (2026), arXiv:2605.22940: an entropy whose force is kept effective.

    Examples
    --------
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
        """T · term, as `Functional` does it. Terms without measurable entropy are refused here, where F is written."""
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

    @property
    def integrates(self) -> bool:  # type: ignore[override]
        return self.sensor is None or self.sensor.integrates

    def begin(self, mu: Ensemble, t: float) -> float:
        """The temperature T at the start; it is all that the controller remembers."""
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
        """The deviation log r* − log r from the wanted ratio."""
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
        """The deviation S* − S from the wanted entropy."""
        assert self.entropy is not None
        if self.sensor is not None:
            return self.entropy - float(self.sensor.value(view.mu))
        if len(view.terms) != 1 or not view.terms[0].term.functional.is_entropy:
            raise ConfigError(
                f"Controller(entropy={self.entropy:g}) multiplies {', '.join(p.term.name for p in view.terms)}; wanted "
                "one entropy, or a sensor to go by."
            )
        return self.entropy - float(view.terms[0].value)
