"""Decisions that weigh bad outcomes more than the mean does: CVaR, entropic risk, mean and variance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import ops
from ..energies import NetworkRisk
from ..energies.aggregates import Aggregate, Mean
from ..errors import ConfigError, require_number
from ..functional import number_at
from .altered import AlteredRisk


@dataclass(frozen=True)
class TailMean(Aggregate):
    """min_c c + Σ pₘ (ℓₘ − c)₊ / (1 − level); the least minimiser c is the quantile of that level.

    The slope is pₘ/(1 − level) above c and 0 below; the rest of the mass 1 goes to the losses equal to c by their p,
    which is exact where an atom of the empirical law lies across the quantile, and the subgradient taken at ties.
    """

    level: float

    def _quantile(self, losses: Tensor, law: Tensor) -> Tensor:
        worst = torch.argsort(losses, descending=True, stable=True)
        passed = torch.cumsum(law[worst], 0) < 1.0 - self.level
        place = passed.sum().clamp(max=len(losses) - 1)
        return losses[worst].gather(0, place[None])[0]

    def value(self, losses: Tensor, law: Tensor) -> Tensor:
        with ops.one_torch_thread():
            quantile = self._quantile(losses, law)
            beyond = (losses - quantile).clamp(min=0.0)
        return quantile + Mean().value(beyond, law) / (1.0 - self.level)

    def slope(self, losses: Tensor, law: Tensor) -> Tensor:
        with ops.one_torch_thread():
            quantile = self._quantile(losses, law)
            beyond = torch.where(losses > quantile, law / (1.0 - self.level), torch.zeros_like(law))
            there = torch.where(losses == quantile, law, torch.zeros_like(law))
            rest = (1.0 - beyond.sum()).clamp(min=0.0)
            return beyond + there * (rest / there.sum().clamp(min=torch.finfo(torch.float64).tiny))


@dataclass(frozen=True)
class LogMeanExp(Aggregate):
    """(1/a) log Σ pₘ exp(a ℓₘ), the mean at a = 0; the slope is the tilted law pₘ exp(a ℓₘ)/Σ."""

    aversion: float

    def value(self, losses: Tensor, law: Tensor) -> Tensor:
        mean = Mean().value(losses, law)
        if self.aversion == 0.0:
            return mean
        with ops.one_torch_thread():
            away = self.aversion * (losses - mean)
            top = away.max()
            far = top + torch.log((law * torch.exp(away - top)).sum())
            near = torch.log1p((law * torch.expm1(away)).sum())  # the sum is near 0
            return mean + torch.where(top < 1.0, near, far) / self.aversion

    def slope(self, losses: Tensor, law: Tensor) -> Tensor:
        with ops.one_torch_thread():
            tilted = law * torch.exp(self.aversion * (losses - losses.max()))
            return tilted / tilted.sum()


@dataclass(frozen=True)
class MeanPlusVariance(Aggregate):
    """E ℓ + (a/2) Var ℓ, with the slope pₘ (1 + a (ℓₘ − E ℓ))."""

    aversion: float

    def value(self, losses: Tensor, law: Tensor) -> Tensor:
        mean = Mean().value(losses, law)
        return mean + 0.5 * self.aversion * Mean().value((losses - mean) ** 2, law)

    def slope(self, losses: Tensor, law: Tensor) -> Tensor:
        return law * (1.0 + self.aversion * (losses - Mean().value(losses, law)))


class _DecisionRisk(AlteredRisk):
    """Another aggregate of the losses over samples than their mean."""

    def __init__(self, risk: NetworkRisk | AlteredRisk, parameter: float | Callable[[float], float]) -> None:
        super().__init__(risk)
        self._parameter = parameter if callable(parameter) else self._checked_parameter(parameter, "")
        if not self.varies:
            _ = self._still  # refuses minibatches before a run does

    def __repr__(self) -> str:
        return f"{self.name}({self.risk!r}, {self._parameter!r})"

    @property
    def _driven(self) -> bool:
        return callable(self._parameter)

    @classmethod
    @abstractmethod
    def _checked_parameter(cls, value: float, when: str) -> float: ...

    @staticmethod
    @abstractmethod
    def _aggregate(parameter: float) -> Aggregate: ...

    def _altered(self, risk: NetworkRisk, t: float) -> NetworkRisk:
        parameter = self._parameter
        if callable(parameter):
            number = number_at(f"the parameter of {self.name}", parameter, t)
            parameter = self._checked_parameter(number, f" at t = {t:g}")
        return risk.with_aggregate(self._aggregate(parameter))


class CVaR(_DecisionRisk):
    """The mean of the worst losses: CVaR_α[ℓ] = min_c c + E(ℓ − c)₊/(1 − α) over the samples of a network risk.

    `level` α in (0, 1), or a callable of t; α → 0 is the mean, α → 1 the worst sample. Exact for the empirical law: the
    sample across the quantile counts by a fraction. The gradient is that of the risk under the law which puts
    pₘ/(1 − α) on losses beyond the quantile; where losses are tied there, it is one subgradient, the same in every run.
    A flow may come to slide along such a kink; it then releases less than that subgradient dissipates at every time
    step, and the closure says so. Many samples make kinks small, and `EntropicRisk` has none.
    ConfigError for a level outside (0, 1) and for a risk with minibatches, whose tail is biased.
    (Rockafellar & Uryasev 2000, J. Risk 2(3); 2002, J. Banking & Finance 26, for laws with atoms.)

    >>> import wgf
    >>> risk = wgf.NetworkRisk([[1.0], [1.0]], [0.0, 4.0], unit=wgf.Unit(lambda z, theta: theta @ z, dim=1))
    >>> mu = wgf.Ensemble([[1.0]])  # losses ½ and 4½
    >>> wgf.drives.CVaR(risk, 0.5).value(mu).item(), wgf.drives.CVaR(risk, 0.2).value(mu).item()
    (4.5, 3.0)
    """

    def __init__(self, risk: NetworkRisk | AlteredRisk, level: float | Callable[[float], float]) -> None:
        super().__init__(risk, level)

    @classmethod
    def _checked_parameter(cls, value: float, when: str) -> float:
        level = require_number("CVaR level", value)
        if not 0.0 < level < 1.0:
            raise ConfigError(
                f"CVaR level = {level:g}{when}: wanted 0 < level < 1 (to 0 it is the mean, to 1 the worst loss)."
            )
        return level

    @staticmethod
    def _aggregate(parameter: float) -> Aggregate:
        return TailMean(parameter)


class _Averse(_DecisionRisk):
    """A measure of risk with an aversion a ≥ 0, in units of 1/loss; a = 0 is the mean."""

    def __init__(self, risk: NetworkRisk | AlteredRisk, aversion: float | Callable[[float], float]) -> None:
        super().__init__(risk, aversion)

    @classmethod
    def _checked_parameter(cls, value: float, when: str) -> float:
        return require_number(f"{cls.__name__} aversion{when}", value, nonnegative=True)


class EntropicRisk(_Averse):
    """The entropic risk (1/a) log E exp(a ℓ) = sup_Q E_Q ℓ − KL(Q‖P)/a over the samples of a network risk.

    `aversion` a ≥ 0 in units of 1/loss, or a callable of t; a = 0 is the mean, a → ∞ the worst sample. The gradient is
    that of the risk under the tilted law pₘ exp(a ℓₘ)/Σ. ConfigError for a < 0 and for a risk with minibatches.
    (Föllmer & Schied 2016, Stochastic Finance, 4th ed., Example 4.13.)
    """

    @staticmethod
    def _aggregate(parameter: float) -> Aggregate:
        return LogMeanExp(parameter)


class MeanVariance(_Averse):
    """E ℓ + (a/2) Var ℓ over the samples of a network risk.

    `aversion` a ≥ 0 in units of 1/loss, or a callable of t; a = 0 is the mean. To second order in a it is the entropic
    risk. It is not monotone: where aℓ < aE ℓ − 1 a smaller loss is a worse one. ConfigError for a < 0 and for a risk
    with minibatches. (Markowitz 1952, J. Finance 7.)
    """

    @staticmethod
    def _aggregate(parameter: float) -> Aggregate:
        return MeanPlusVariance(parameter)
