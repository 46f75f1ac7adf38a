"""A network risk that a drive alters: at each time it is a plain `NetworkRisk` with other data or another aggregate."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar

from torch import Tensor

from ..energies import NetworkRisk
from ..errors import ConfigError
from ..functional import Evaluation, Functional, Work
from ..measure import Ensemble, NoiseSource


class AlteredRisk(Functional):
    """The base class of a risk R_t[μ] that depends on time or differs from the mean loss.

    To write another one, define `_altered`, which gives the `NetworkRisk` at time t, and `_driven`. Altered risks nest:
    `CVaR(CovariateShift(risk, d), 0.9)`.

    Parameters
    ----------
    risk : NetworkRisk or AlteredRisk
        The risk that is altered.

    Raises
    ------
    ConfigError
        If `risk` is neither, or a risk that depends on t is evaluated without `.at(t)`.

    Notes
    -----
    Within a step F_t follows t, and the ledger books the change of F_t as work. Outside a run call `.at(t)` first.
    """

    given_risk: ClassVar[str] = "risk"
    """The setting that is the risk of the run, where a configuration file makes the drive."""

    def __init__(self, risk: NetworkRisk | AlteredRisk) -> None:
        if not isinstance(risk, NetworkRisk | AlteredRisk):
            raise ConfigError(
                f"{self.name} of {risk!r}: wanted a wgf.NetworkRisk, or one that another drive alters already."
            )
        self.risk = risk

    def undivided(self, mu: Ensemble) -> str | None:
        return self.risk.undivided(mu)

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return self.risk.work(mu, whole)

    def __repr__(self) -> str:
        return f"{self.name}({self.risk!r})"

    @property
    def base(self) -> NetworkRisk:
        """The plain network risk inside all alterations."""
        return self.risk if isinstance(self.risk, NetworkRisk) else self.risk.base

    @abstractmethod
    def _altered(self, risk: NetworkRisk, t: float) -> NetworkRisk:
        """The network risk `risk`, altered as of time t."""

    @property
    @abstractmethod
    def _driven(self) -> bool:
        """Whether the alteration itself depends on t."""

    @property
    def varies(self) -> bool:
        return self._driven or self.risk.varies

    @cached_property
    def _still(self) -> NetworkRisk:
        return self._frozen(0.0)

    def _frozen(self, t: float) -> NetworkRisk:
        inner = self.risk if isinstance(self.risk, NetworkRisk) else self.risk.at(t)
        return self._altered(inner, t)

    def at(self, t: float) -> NetworkRisk:
        """The `NetworkRisk` that this risk is at time t."""
        return self._frozen(t) if self.varies else self._still

    @property
    def _now(self) -> NetworkRisk:
        if self.varies:
            raise ConfigError(f"{self.name} depends on t; freeze it with .at(t) first.")
        return self._still

    @property
    def sampled(self) -> bool:
        return self.risk.sampled

    def draw(self, noise: NoiseSource, step: int) -> Functional:
        return self._now.draw(noise, step)

    @property
    def infimum(self) -> float:
        return 0.0

    def _value(self, mu: Ensemble) -> Tensor:
        return self._now._value(mu)

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._now._first_variation(mu, at)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._now._gradient(mu, at)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        return self._now._evaluate(mu)
