"""The study `chaos`: how fast n interacting particles approach their mean-field limit as n grows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...energies import Quadratic
from ...entropies import Shannon
from ...errors import ConfigError, require_integer, require_number, with_minus
from ...figures.canvas import BLUE, INK, ORANGE, canvas, finish, log_scale
from ...measure import Ensemble
from ...protocol import Solver
from ...solvers import Langevin, LeimkuhlerMatthews
from ..frame import Figure, Finding, Outcome, Study, Table, Work
from ..frame.statistics import FEWEST_SIZES, Limit, PowerLaw, extrapolate, power_law, t_interval
from . import mean_field

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

ASYMPTOTIC = 32
"""Fits for the wells begin at this n. Below, corrections of the next order show (an exponent near −0.9)."""
MODELS = {"linear": "linear McKean–Vlasov", "wells": "double wells with attraction"}


@dataclass(frozen=True)
class Sweep:
    """The measurements of one model over the sizes n, as arrays (sizes, seeds).

    `bias` is E x² minus that of the twin (see `run_size`), `plain` is E x², `fluctuation` is √E m² of the mean m.
    `limit` is the known E x² for n → ∞.
    """

    model: str
    sizes: tuple[int, ...]
    limit: float
    bias: NDArray[np.float64]
    plain: NDArray[np.float64]
    fluctuation: NDArray[np.float64]

    @property
    def fitted(self) -> slice:
        """The sizes in the fits: all for the linear model, where the 1/n bias is exact; for the wells n ≥ 32."""
        large = sum(n >= ASYMPTOTIC for n in self.sizes)
        return slice(None) if self.model == "linear" or large < FEWEST_SIZES else slice(-large, None)

    def bias_law(self) -> PowerLaw:
        """The fit |E x² − limit| = C n^a, from the differences to the twins. All n share their seeds."""
        sign = 1.0 if self.bias.mean() > 0 else -1.0
        return power_law(self.sizes[self.fitted], list(sign * self.bias[self.fitted]), paired=True)

    def fluctuation_law(self) -> PowerLaw:
        """The fit √Var(mean) = C' n^a."""
        return power_law(self.sizes[self.fitted], list(self.fluctuation[self.fitted]), paired=True)

    def extrapolated(self, twin: bool) -> Limit:
        """E x² extrapolated to n → ∞; with `twin`, from the bias plus the known limit."""
        data = self.limit + self.bias if twin else self.plain
        return extrapolate(self.sizes[self.fitted], list(data[self.fitted]), paired=True)

    def reduction(self) -> NDArray[np.float64]:
        """The variance over seeds without the twin, divided by that with the twin, an array (sizes,)."""
        return self.plain.var(axis=1, ddof=1) / self.bias.var(axis=1, ddof=1)


def run_size(study: Chaos, model: str, n: int, seed: int) -> tuple[float, float, float]:
    """Run n particles and their twin, and return the averages over columns and times in equilibrium.

    The three numbers are E x² minus that of the twin, E x², and √E m². The twin consists of n independent particles of
    the mean-field limit with the same start and the same Brownian paths. Its law is known, so it serves as a control
    variate: the difference has a much smaller variance.
    """
    T = study.temperature
    solver: Solver
    if model == "linear":
        F, solver = mean_field.linear(study.confinement, study.attraction, T), Langevin()
        alone = Quadratic(study.confinement + study.attraction) - T * Shannon()
    else:
        F, solver = mean_field.desai_zwanzig(study.well_attraction, T), LeimkuhlerMatthews()
        alone = mean_field.double_well() + Quadratic(study.well_attraction) - T * Shannon()
    start = Ensemble.gaussian(n, study.columns, cov=study.limit(model), seed=seed)

    def moments(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([(x * x).mean(0), x.mean(0)])

    seen = [
        mean_field.follow(energy, start, solver, moments, dt=study.dt, t_end=study.t_end, every=study.every, seed=seed)
        for energy in (F, alone)
    ]
    settled = np.arange(len(seen[0])) * study.every * study.dt >= study.t_settle
    second, mean = seen[0][settled, 0], seen[0][settled, 1]
    return (
        float((second - seen[1][settled, 0]).mean()),
        float(second.mean()),
        math.sqrt(float((mean**2).mean())),
    )


@dataclass(frozen=True, kw_only=True)
class Chaos(Study):
    """Vary n in two mean-field models whose limit is known, and measure the bias C/n and the fluctuation C'/√n.

    Model "linear" is V = a x²/2, W = b u²/2 under Euler–Maruyama. There E x² = s(a)/n + (1 − 1/n) s(a + b) is exact,
    with s(λ) = T/(λ(1 − λh/2)). Model "wells" is V = x⁴/4 − x²/2, W = θu²/2 above its critical temperature; its limit
    is the symmetric Gibbs state. Every run starts from a Gaussian with the variance of the limit.

    Parameters
    ----------
    seeds, first_seed : int
        Number of replicas and the first seed. All n share the same seeds.
    sizes : tuple of int
        The numbers n of particles, at least three.
    columns : int ≥ 9
        Independent copies in each run.
    confinement, attraction, well_attraction : float > 0
        a, b and θ, in units of 1/t.
    temperature : float > 0
        T, in the units of F.
    dt, t_settle, t_end : float > 0
        Time step, begin and end of the averages, in flow time.
    every : int ≥ 1
        Steps between two measurements.

    See Also
    --------
    wgf.studies.run, wgf.studies.load, wgf.studies.Study

    References
    ----------
    A.-S. Sznitman, Topics in propagation of chaos (1991). F. Malrieu (2001), for the rate 1/n.

    Examples
    --------
    >>> import wgf
    >>> study = wgf.studies.load("chaos", quick=True)
    >>> study.seeds, study.sizes
    (4, (8, 32, 64, 128))
    """

    name: ClassVar[str] = "chaos"
    title: ClassVar[str] = "Propagation of chaos"
    question: ClassVar[str] = (
        "How fast do n interacting particles approach their mean-field limit: do observables miss it by C/n in the "
        "mean and C'/√n in fluctuation, and does extrapolation in 1/n give the limit?"
    )

    seeds: int = 16
    sizes: tuple[int, ...] = (8, 16, 32, 64, 128, 256, 512)
    columns: int = 32
    confinement: float = 1.0
    attraction: float = 2.0
    well_attraction: float = 0.5
    temperature: float = 0.5
    dt: float = 0.05
    t_settle: float = 8.0
    t_end: float = 32.0
    every: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        mean_field.require_columns(self.columns)
        for n in self.sizes:
            require_integer("sizes", n, low=2)
        if len(set(self.sizes)) < FEWEST_SIZES:
            raise ConfigError(f"sizes = {self.sizes}: wanted at least {FEWEST_SIZES} different ones for a fit.")
        for name in ("confinement", "attraction", "well_attraction", "temperature", "dt", "t_settle", "t_end"):
            require_number(name, getattr(self, name), positive=True)
        require_integer("every", self.every, low=1)
        if self.t_end <= self.t_settle:
            raise ConfigError(f"t_end = {self.t_end:g}: wanted beyond t_settle = {self.t_settle:g}.")

    def quick(self) -> Chaos:
        return self.replace(seeds=4, sizes=(8, 32, 64, 128), columns=64, dt=0.1, every=5, t_settle=6.0, t_end=13.0)  # type: ignore[return-value]

    def limit(self, model: str) -> float:
        """E x² in the mean-field limit: that of the scheme at step dt (linear model) or of the flow (wells)."""
        if model == "linear":
            return self.stationary(self.confinement + self.attraction)
        return mean_field.symmetric_moment(self.well_attraction, 1.0 / self.temperature)

    def stationary(self, rate: float) -> float:
        """s(λ) = T/(λ(1 − λh/2)), the variance of Euler–Maruyama for the potential λx²/2."""
        return self.temperature / (rate * (1 - 0.5 * rate * self.dt))

    def sweep(self, model: str, work: Work) -> Sweep:
        """Do all runs of one model."""
        tasks = [(self, model, n, seed) for n in self.sizes[::-1] for seed in self.seed_numbers]  # the longest first
        results = work.each(f"{MODELS[model]}, n × seeds", run_size, tasks)
        table = np.array(results).reshape(len(self.sizes), self.seeds, 3)[::-1]
        return Sweep(model, self.sizes, self.limit(model), table[..., 0], table[..., 1], table[..., 2])

    def run(self, work: Work | None = None) -> Outcome:
        sweeps = {model: self.sweep(model, work or Work()) for model in MODELS}
        return Outcome(_findings(self, sweeps), _tables(sweeps), _figures(sweeps), LIMITS)


CORRECTIONS = f"Fitted from n = {ASYMPTOTIC} on where three sizes are that large; below, the order 1/n² shows."
LIMITS = (
    "Both models are in equilibrium and have no phase transition at this temperature. At a critical point the "
    "corrections fall more slowly than 1/n (see the study phase). For long times in several phases they need not be "
    "uniform in t.",
    "One observable is fitted for the bias, E x². Smooth observables have a 1/n bias by the same theory, but the "
    "constant differs, and a singular observable may behave otherwise.",
    "Every pair of particles interacts. The study does not cover sparse networks of interactions or random batches.",
    "All n share their seeds, so the points of a figure are not independent of each other. The intervals of the fits "
    "take that into account.",
    "In the wells the bias is measured against twins at the same time step. So the error of the time step cancels and "
    "is not part of the intervals.",
)


def _findings(study: Chaos, sweeps: Mapping[str, Sweep]) -> tuple[Finding, ...]:
    linear, wells = sweeps["linear"], sweeps["wells"]
    law, swing = linear.bias_law(), linear.fluctuation_law()
    constant = study.stationary(study.confinement) - linear.limit
    first = extrapolate(study.sizes, list(linear.bias), paired=True)
    best = linear.extrapolated(twin=True)
    return (
        Finding.within("linear: exponent of the bias of E x²", law.exponent, -1.1, -0.9, -1.0, _fit(law.chi_square)),
        Finding.covers("linear: C in the bias C/n, s(a) − s(a + b)", first.slope, constant, 0.1 * constant),
        Finding.within("linear: exponent of the fluctuation of the mean", swing.exponent, -0.55, -0.45, -0.5),
        Finding.covers(
            "linear: E x² extrapolated to n → ∞, by particles alone", linear.extrapolated(twin=False).limit,
            linear.limit, 0.02 * linear.limit,
        ),
        Finding.covers(
            "linear: E x² extrapolated to n → ∞, with the twins", best.limit, linear.limit, 0.005 * linear.limit,
            f"The twins reduce the variance by a factor of {linear.reduction()[-1]:.0f} at n = {study.sizes[-1]}.",
        ),
        Finding.within("wells: exponent of the bias of E x²", wells.bias_law().exponent, -1.1, -0.9, -1.0, CORRECTIONS),
        Finding.within("wells: exponent of the fluctuation of the mean", wells.fluctuation_law().exponent, -0.55, -0.45,
                       -0.5),
        Finding.covers(
            "wells: E x² extrapolated to n → ∞, with the twins", wells.extrapolated(twin=True).limit, wells.limit,
            0.01 * wells.limit, "The limit is the symmetric Gibbs state by quadrature.",
        ),
    )  # fmt: skip


def _fit(chi_square: float) -> str:
    return f"χ² of the fit per degree of freedom: {chi_square:.2g}."


def _tables(sweeps: Mapping[str, Sweep]) -> tuple[Table, ...]:
    rows = []
    for sweep in sweeps.values():
        for k, n in enumerate(sweep.sizes):
            found = t_interval(sweep.bias[k])
            plain = t_interval(sweep.plain[k] - sweep.limit)
            swing = t_interval(sweep.fluctuation[k])
            rows.append(
                (MODELS[sweep.model], n, found.value, found.half_width, plain.value, plain.half_width, swing.value,
                 swing.half_width, float(sweep.reduction()[k]))
            )  # fmt: skip
    columns = (
        "model", "n", "bias of E x²", "±", "without twins", "±", "deviation of the mean", "±", "variance reduction",
    )  # fmt: skip
    return (Table("sweep", "The sweep over n", columns, rows, "± are 95 % intervals over seeds."),)


def _figures(sweeps: Mapping[str, Sweep]) -> tuple[Figure, ...]:
    figure, axes = canvas(1, 2, height=3.6)
    for sweep, colour in zip(sweeps.values(), (BLUE, ORANGE), strict=True):
        n = np.array(sweep.sizes, dtype=float)
        for axis, data, law in (
            (axes[0], np.abs(sweep.bias), sweep.bias_law()),
            (axes[1], sweep.fluctuation, sweep.fluctuation_law()),
        ):
            error = 2 * data.std(axis=1, ddof=1) / math.sqrt(data.shape[1])
            centre = np.abs(sweep.bias.mean(axis=1)) if axis is axes[0] else data.mean(axis=1)
            label = with_minus(f"{MODELS[sweep.model]}: {law.exponent.value:.3f}")
            axis.errorbar(n, centre, error, fmt="o", ms=4, color=colour, lw=1.2, label=label)
            axis.plot(n[sweep.fitted], law(n[sweep.fitted]), color=colour, lw=1.0)
    for axis, name in zip(axes, ("|bias| of E x²", "deviation of the mean"), strict=True):
        axis.set_xscale("log", base=2)
        log_scale(axis)
        finish(axis, name, "particles n")
    return (
        Figure(
            "laws", "Bias and fluctuation over n",
            "Points: means with two standard errors over seeds. Lines: fitted power laws with their exponents. The "
            "bias of E x² is measured against independent particles of the limit with the same Brownian paths.",
            figure,
        ),
        Figure(
            "extrapolation", "Extrapolation to infinitely many particles",
            "E x² over 1/n, with 95 % intervals. The lines are the fits limit + C/n, the crosses the known limit. "
            "Orange shows the same data without the twins.",
            _extrapolation(sweeps),
        ),
    )  # fmt: skip


def _extrapolation(sweeps: Mapping[str, Sweep]) -> Drawing:
    figure, axes = canvas(1, 2, height=3.4)
    for axis, sweep in zip(axes, sweeps.values(), strict=True):
        x = 1.0 / np.array(sweep.sizes, dtype=float)
        line = np.array([0.0, x.max()])
        for data, twin, colour, label in (
            (sweep.plain, False, ORANGE, "particles alone"),
            (sweep.limit + sweep.bias, True, BLUE, "with twins"),
        ):
            fit = sweep.extrapolated(twin)
            error = 2.1 * data.std(axis=1, ddof=1) / math.sqrt(data.shape[1])
            axis.errorbar(x, data.mean(axis=1), error, fmt="o", ms=3.5, lw=1.2, color=colour, label=label)
            axis.plot(line, fit.limit.value + fit.slope.value * line, color=colour, lw=1.0)
        axis.plot([0], [sweep.limit], "x", color=INK, ms=7, label="limit")
        axis.set_title(MODELS[sweep.model], fontsize=10, color=INK)
        finish(axis, "E x²", "1/n")
    return figure
