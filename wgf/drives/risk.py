"""Network risks that weigh bad outcomes more than the mean does: CVaR, entropic risk, mean plus variance."""

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
    """The mean of the worst losses, min_c c + Σ pₘ (ℓₘ − c)₊ / (1 − level); the least c is the quantile of that level.

    The slope is pₘ/(1 − level) above c and 0 below. Losses equal to c share the rest of the mass 1, in proportion to p.
    That is exact where one sample lies across the quantile, and at ties it is one subgradient.
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
    """(1/a) log Σ pₘ exp(a ℓₘ), and the mean at a = 0. The slope is the tilted law pₘ exp(a ℓₘ)/Σ pₘ exp(a ℓₘ)."""

    aversion: float

    def value(self, losses: Tensor, law: Tensor) -> Tensor:
        mean = Mean().value(losses, law)
        if self.aversion == 0.0:
            return mean
        with ops.one_torch_thread():
            away = self.aversion * (losses - mean)
            top = away.max()
            far = top + torch.log((law * torch.exp(away - top)).sum())
            near = torch.log1p((law * torch.expm1(away)).sum())  # accurate where the sum is near 0
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
    """A risk with another aggregate of the losses over samples than their mean."""

    def __init__(self, risk: NetworkRisk | AlteredRisk, parameter: float | Callable[[float], float]) -> None:
        super().__init__(risk)
        self._parameter = parameter if callable(parameter) else self._checked_parameter(parameter, "")
        if not self.varies:
            _ = self._still  # refuse minibatches here, before a run starts

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
    """The conditional value at risk: the mean of the worst share 1 − α of the losses of a network risk.

        CVaR_α[ℓ] = min_c c + E(ℓ − c)₊/(1 − α)
        δ/δμ(θ) = Σₘ qₘ ℓ'(f_μ(zₘ), yₘ)·φ(zₘ; θ),    qₘ = pₘ/(1 − α) above the α-quantile, 0 below,    Σ qₘ = 1

    Parameters
    ----------
    risk : NetworkRisk or AlteredRisk
        The risk, with all its data (batch=None).
    level : float or callable of t
        α in (0, 1). α → 0 is the mean, α → 1 the worst sample.

    Raises
    ------
    ConfigError
        For a level outside (0, 1), or a risk with minibatches, which would bias the tail.

    See Also
    --------
    wgf.drives.EntropicRisk, wgf.drives.MeanVariance, wgf.energies.Aggregate, wgf.energies.Mean

    Notes
    -----
    Exact for the empirical law: the sample across the quantile counts by a fraction. Samples below the quantile exert
    no force. Where losses are tied at the quantile, the gradient is one subgradient, the same each time. A flow may
    slide along such a kink. It then releases less than that subgradient dissipates, at every time step, and the closure
    of the ledger shows it. With many samples kinks are small. `EntropicRisk` has none.

    References
    ----------
    Rockafellar & Uryasev (2000), J. Risk 2(3); (2002), J. Banking & Finance 26, for laws with atoms.

    Examples
    --------
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
    """A risk with an aversion a ≥ 0, in units of 1/loss; a = 0 is the mean."""

    def __init__(self, risk: NetworkRisk | AlteredRisk, aversion: float | Callable[[float], float]) -> None:
        super().__init__(risk, aversion)

    @classmethod
    def _checked_parameter(cls, value: float, when: str) -> float:
        return require_number(f"{cls.__name__} aversion{when}", value, nonnegative=True)


class EntropicRisk(_Averse):
    """The entropic risk: a smooth risk that weighs large losses exponentially.

        R[μ] = (1/a) log E exp(a ℓ) = sup_Q E_Q ℓ − KL(Q‖P)/a
        δR/δμ(θ) = Σₘ qₘ ℓ'(f_μ(zₘ), yₘ)·φ(zₘ; θ),    qₘ = pₘ exp(a ℓₘ)/Σ pₘ exp(a ℓₘ)

    Parameters
    ----------
    risk : NetworkRisk or AlteredRisk
        The risk, with all its data (batch=None).
    aversion : float or callable of t
        a ≥ 0, in units of 1/loss. a = 0 is the mean, a → ∞ the worst sample.

    Raises
    ------
    ConfigError
        For a < 0, or a risk with minibatches, which would bias it.

    See Also
    --------
    wgf.drives.CVaR, wgf.drives.MeanVariance, wgf.energies.Aggregate

    Notes
    -----
    For large a one sample has nearly all the weight, and the flow is stiff: the curvature has a part that grows with a.

    References
    ----------
    Föllmer & Schied (2016), Stochastic Finance, 4th ed., Example 4.13.

    Examples
    --------
    >>> import wgf
    >>> risk = wgf.NetworkRisk([[1.0], [1.0]], [0.0, 4.0], unit=wgf.Unit(lambda z, theta: theta @ z, dim=1))
    >>> mu = wgf.Ensemble([[1.0]])  # losses ½ and 4½
    >>> [round(wgf.drives.EntropicRisk(risk, a).value(mu).item(), 4) for a in (0.0, 1.0)]
    [2.5, 3.825]
    """

    @staticmethod
    def _aggregate(parameter: float) -> Aggregate:
        return LogMeanExp(parameter)


class MeanVariance(_Averse):
    """The mean loss plus a multiple of its variance over the samples of a network risk.

        R[μ] = E ℓ + (a/2) Var ℓ
        δR/δμ(θ) = Σₘ qₘ ℓ'(f_μ(zₘ), yₘ)·φ(zₘ; θ),    qₘ = pₘ (1 + a (ℓₘ − E ℓ))

    Parameters
    ----------
    risk : NetworkRisk or AlteredRisk
        The risk, with all its data (batch=None).
    aversion : float or callable of t
        a ≥ 0, in units of 1/loss. a = 0 is the mean.

    Raises
    ------
    ConfigError
        For a < 0, or a risk with minibatches, which would bias it.

    See Also
    --------
    wgf.drives.CVaR, wgf.drives.EntropicRisk, wgf.energies.Aggregate

    Notes
    -----
    It is the entropic risk up to second order in a. It is not monotone: where ℓₘ < E ℓ − 1/a the weight qₘ is negative,
    and a smaller loss makes the risk larger.

    References
    ----------
    Markowitz (1952), Portfolio selection, J. Finance 7.

    Examples
    --------
    >>> import wgf
    >>> risk = wgf.NetworkRisk([[1.0], [1.0]], [0.0, 4.0], unit=wgf.Unit(lambda z, theta: theta @ z, dim=1))
    >>> wgf.drives.MeanVariance(risk, 0.5).value(wgf.Ensemble([[1.0]])).item()  # losses ½ and 4½
    3.5
    """

    @staticmethod
    def _aggregate(parameter: float) -> Aggregate:
        return MeanPlusVariance(parameter)
