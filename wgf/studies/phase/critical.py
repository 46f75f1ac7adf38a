"""Runs near the phase transition of a mean-field model, and its critical temperature by finite-size scaling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

from ...domains import Domain
from ...errors import ConfigError
from ...functional import FreeEnergy
from ...measure import Ensemble
from ...solvers import LeimkuhlerMatthews
from ..chaos import mean_field
from ..chaos.mean_field import Temperature, follow
from ..frame import Estimate
from ..frame.statistics import t_interval

QUARTIC = math.gamma(0.25) ** 2 / (4 * math.gamma(0.75) ** 2)
"""⟨m⁴⟩/⟨m²⟩² = 2.1884, its value at every mean-field critical point of a scalar order parameter m.

There m has the density ∝ exp(−c m⁴)."""
PLANAR = 0.5 * math.pi
"""The same for an order parameter in the plane, π/2."""


@dataclass(frozen=True)
class Model:
    """A mean-field model with a continuous phase transition in T. The columns of its particles are independent copies.

    Attributes
    ----------
    energy : function of T
        The free energy.
    order : function of x (n, columns)
        The components (k, columns) of the order parameter m.
    start : function of n, columns and seed
        The first particles.
    universal : float
        ⟨|m|⁴⟩/⟨|m|²⟩² at the critical point, from theory.
    exact, critical : function of T, and float
        The order |m| of the infinite system, and its critical temperature. Used for comparison only.
    temperatures : tuple of float
        The temperatures of the sweep around the transition.
    sweep : (float, float)
        The highest and the lowest temperature of a loop.
    """

    name: str
    title: str
    energy: Callable[[Temperature], FreeEnergy]
    order: Callable[[Tensor], Tensor]
    start: Callable[[int, int, int], Ensemble]
    universal: float
    exact: Callable[[float], float]
    critical: float
    temperatures: tuple[float, ...]
    sweep: tuple[float, float]
    domain: Domain | None = None


def _mean(x: Tensor) -> Tensor:
    return x.mean(0)[None]


def _phase(x: Tensor) -> Tensor:
    return torch.stack([torch.cos(x).mean(0), torch.sin(x).mean(0)])


def _wells(n: int, columns: int, seed: int) -> Ensemble:
    """Gaussian columns whose means scatter by about n^{−1/4}, as they do at the critical point."""
    width = math.sqrt(0.7 / math.sqrt(n))
    centres = width * Ensemble.gaussian(columns, 1, seed=seed).x[:, 0]
    return Ensemble(Ensemble.gaussian(n, columns, cov=0.5, seed=seed + 1).x + centres)


def _circle(n: int, columns: int, seed: int) -> Ensemble:
    return Ensemble.uniform(n, columns, 0.0, 2 * math.pi, seed=seed)


def _desai_zwanzig(name: str, theta: float, beta: float, temperatures: tuple[float, ...]) -> Model:
    return Model(
        name, f"double wells, θ = {theta:g}", lambda T: mean_field.desai_zwanzig(theta, T), _mean, _wells, QUARTIC,
        lambda T: mean_field.ordered_wells(theta, T), 1 / beta, temperatures, (1.45 / beta, 0.55 / beta),
    )  # fmt: skip


MODELS = {
    "wells": _desai_zwanzig("wells", 1.0, 2.18844, (0.43, 0.445, 0.46, 0.475, 0.49)),
    "weak wells": _desai_zwanzig("weak wells", 0.5, 3.78065, (0.25, 0.258, 0.266, 0.274, 0.282)),
    "kuramoto": Model(
        "kuramoto", "noisy Kuramoto, K = 1", lambda T: mean_field.kuramoto(1.0, T), _phase, _circle, PLANAR,
        lambda T: mean_field.ordered_circle(1.0, T), 0.5, (0.475, 0.49, 0.505, 0.52, 0.535), (0.725, 0.275),
        mean_field.CIRCLE,
    ),
}  # fmt: skip


def moments(
    name: str, temperature: float, n: int, columns: int, dt: float, t_settle: float, t_end: float, seed: int
) -> tuple[float, float]:
    """Run n particles; return ⟨|m|²⟩ and ⟨|m|⁴⟩ over all columns and the times from t_settle on."""
    model, every = MODELS[name], 5
    seen = follow(
        model.energy(temperature), model.start(n, columns, 2 * seed), LeimkuhlerMatthews(), model.order,
        dt=dt, t_end=t_end, every=every, seed=seed, domain=model.domain,
    )  # fmt: skip
    square = (seen**2).sum(1)[np.arange(len(seen)) * every * dt >= t_settle]
    return float(square.mean()), float((square**2).mean())


def loop(
    name: str, duration: float, n: int, columns: int, dt: float, records: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Cool a model and heat it again, each in the flow time `duration`, beginning without order.

    The temperature falls linearly from the first of `model.sweep` to the second and rises again. Returns three arrays
    (records + 1,): the falling temperatures, ⟨|m|⟩ over columns there while cooling, and the same while heating.
    """
    model = MODELS[name]
    hot, cold = model.sweep

    def temperature(t: float) -> float:
        return hot + (cold - hot) * (1 - abs(t / duration - 1))

    steps = round(duration / dt)
    every = max(1, steps // records)
    steps = every * records  # so that there is a record at the lowest temperature
    dt = duration / steps
    start = _circle(n, columns, 2 * seed) if model.domain else Ensemble.gaussian(n, columns, cov=0.6, seed=2 * seed)
    seen = follow(
        model.energy(temperature), start, LeimkuhlerMatthews(), model.order,
        dt=dt, t_end=2 * duration, every=every, seed=seed, domain=model.domain,
    )  # fmt: skip
    order = np.sqrt((seen**2).sum(1)).mean(1)
    T = np.array([temperature(k * duration / records) for k in range(records + 1)])
    return T, order[: records + 1], order[records:][::-1]


def area(T: NDArray[np.float64], cooling: NDArray[np.float64], heating: NDArray[np.float64]) -> float:
    """The area ∫ (m heating − m cooling) dT of a loop; positive where the order lags behind the temperature."""
    return float(np.trapezoid((heating - cooling)[::-1], T[::-1]))


# ---------------------------------------------------------------------------------------------- scaling


@dataclass(frozen=True, eq=False)
class Scaling:
    """The ratios ⟨m⁴⟩/⟨m²⟩² of a model, and the critical temperature that fits them.

    `ratios` is an array (sizes, temperatures, seeds). ConfigError for fewer than two sizes or six points.
    """

    model: Model
    sizes: tuple[int, ...]
    ratios: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.ratios[..., 0].size < 6 or len(self.sizes) < 2:
            raise ConfigError(
                f"scaling over {len(self.sizes)} sizes and {self.ratios.shape[1]} temperatures: wanted at least two "
                "sizes and six points in all, for five parameters."
            )

    @property
    def temperatures(self) -> NDArray[np.float64]:
        """The temperatures of the sweep."""
        return np.array(self.model.temperatures)

    def fit(self, ratios: NDArray[np.float64], free: bool = False) -> NDArray[np.float64]:
        """Fit the ratio Q at all sizes n and temperatures T by weighted least squares.

            Q = Q* + a u + b u² + c n^{−½} + d u³,   u = (T/T_c − 1)√n

        The exponent ½ of n in u is that of mean-field finite-size scaling (Binder 1985, above the upper critical
        dimension). c n^{−½} is the first correction; it moves the crossing of two sizes by O(1/n).

        Parameters
        ----------
        ratios : array (sizes, temperatures)
            Q, of one seed or averaged over seeds.
        free : bool
            Whether Q* is fitted too; otherwise it has its universal value.

        Returns
        -------
        array (6,)
            T_c, Q*, a, b, c, d.
        """
        n = np.array(self.sizes, dtype=float)[:, None]
        scatter = np.sqrt(self.ratios.var(axis=2, ddof=1).mean(axis=1, keepdims=True))

        def misfit(p: NDArray[np.float64]) -> NDArray[np.float64]:
            full = p if free else np.array([p[0], self.model.universal, *p[1:]])
            return ((self.curve(full, self.temperatures, n) - ratios) / scatter).ravel()

        guess = [float(np.median(self.temperatures)), self.model.universal, 1.0, 0.0, 0.0, 0.0]
        found = optimize.least_squares(misfit, guess if free else [guess[0], *guess[2:]], x_scale="jac").x
        return found if free else np.array([found[0], self.model.universal, *found[1:]])

    @staticmethod
    def curve(p: NDArray[np.float64], T: Any, n: Any) -> NDArray[np.float64]:
        """Q at temperatures T and sizes n, for the parameters p of `fit`."""
        u = (T / p[0] - 1) * np.sqrt(n)
        return p[1] + p[2] * u + p[3] * u**2 + p[4] / np.sqrt(n) + p[5] * u**3

    def critical(self, free: bool = False) -> tuple[Estimate, Estimate]:
        """T_c and Q* with Student's intervals over seeds; each seed is fitted on its own."""
        fits = np.array([self.fit(self.ratios[..., k], free) for k in range(self.ratios.shape[2])])
        return t_interval(fits[:, 0]), t_interval(fits[:, 1])
