"""The study `phase`: critical temperatures of mean-field models, and loops in temperature that close as they slow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError, closest, require_integer, require_number, with_minus
from ...figures.canvas import CYCLE, INK, MUTED, canvas, finish, log_scale
from ..chaos import mean_field
from ..frame import Estimate, Figure, Finding, Outcome, Study, Table, Work
from ..frame.statistics import FEWEST_SIZES, PowerLaw, power_law, t_interval
from .critical import MODELS, Scaling, area, loop, moments

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Loop = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Loops:
    """The loops in temperature of one model: for each duration, the loops of all seeds."""

    name: str
    durations: tuple[float, ...]
    runs: Sequence[Sequence[Loop]]

    @property
    def areas(self) -> list[NDArray[np.float64]]:
        """The areas of the loops: for each duration an array (seeds,)."""
        return [np.array([area(*one) for one in row]) for row in self.runs]

    def law(self) -> PowerLaw:
        """The fit area = C · duration^a."""
        return power_law(self.durations, self.areas)


@dataclass(frozen=True, kw_only=True)
class Phase(Study):
    """Find the phase transitions of three mean-field models with particles.

    The models are double wells with attraction (θ = 1 and ½) and noisy Kuramoto oscillators. The critical temperature
    is fitted to the ratio ⟨m⁴⟩/⟨m²⟩² of the order parameter m near the transition. Loops cool the particles and heat
    them again: at a continuous transition their area falls as they slow. All runs use Leimkuhler–Matthews.

    Parameters
    ----------
    seeds, first_seed : int
        Number of replicas and the first seed.
    models : tuple of str
        Names of `MODELS`.
    sizes : tuple of int ≥ 8
        The numbers n of particles in one system.
    particles : int
        Particles of all independent systems (columns) in a run together.
    dt, t_settle, t_end : float > 0
        Time step, begin and end of the averages, in flow time.
    loop_n, loop_columns : int
        Particles in one system of a loop, and the number of independent systems.
    durations : tuple of float
        Flow times of cooling, and of heating; at least three. They must be long compared with the time in which order
        grows from the noise. Otherwise no order appears, and the loop is small for that reason.
    records : int ≥ 5
        Records while cooling, and while heating.

    See Also
    --------
    wgf.studies.run, wgf.studies.load, wgf.studies.Study

    References
    ----------
    Desai and Zwanzig (1978), Dawson (1983), Kuramoto (1975), Sakaguchi (1988); Binder (1981) for the ratio.

    Examples
    --------
    >>> import wgf
    >>> study = wgf.studies.load("phase", quick=True)
    >>> study.seeds, study.models
    (3, ('wells',))
    """

    name: ClassVar[str] = "phase"
    title: ClassVar[str] = "Phase transitions in mean field"
    question: ClassVar[str] = (
        "At which temperature does order set in for double wells with attraction and for noisy Kuramoto oscillators, "
        "and do sweeps up and down in temperature close as they slow, as at a continuous transition?"
    )

    seeds: int = 6
    models: tuple[str, ...] = ("wells", "weak wells", "kuramoto")
    sizes: tuple[int, ...] = (40, 80, 160, 320)
    particles: int = 16_000
    dt: float = 0.1
    t_settle: float = 25.0
    t_end: float = 75.0
    loop_n: int = 500
    loop_columns: int = 12
    durations: tuple[float, ...] = (30.0, 60.0, 120.0, 240.0)
    records: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.models:
            if name not in MODELS:
                raise ConfigError(f"model {name!r}{closest(name, MODELS)}")
        for n in self.sizes:
            require_integer("sizes", n, low=8)
        mean_field.require_columns(self.particles // max(self.sizes))
        mean_field.require_columns(self.loop_columns)
        for name in ("dt", "t_settle", "t_end"):
            require_number(name, getattr(self, name), positive=True)
        if len(set(self.durations)) < FEWEST_SIZES:
            raise ConfigError(f"durations = {self.durations}: wanted at least {FEWEST_SIZES} different ones for a fit.")
        if self.t_end <= self.t_settle:
            raise ConfigError(f"t_end = {self.t_end:g}: wanted beyond t_settle = {self.t_settle:g}.")
        require_integer("records", self.records, low=5)

    def quick(self) -> Phase:
        return self.replace(  # type: ignore[return-value]
            seeds=3, models=("wells",), sizes=(32, 128), particles=6400, dt=0.125, t_settle=8.0, t_end=17.0,
            loop_n=200, loop_columns=9, durations=(20.0, 40.0, 60.0), records=20,
        )  # fmt: skip

    def scaling(self, name: str, work: Work) -> Scaling:
        """Measure the ratios of one model at all sizes, temperatures and seeds."""
        temperatures = MODELS[name].temperatures
        tasks = [
            (name, T, n, self.particles // n, self.dt, self.t_settle, self.t_end, seed)
            for n in self.sizes for T in temperatures for seed in self.seed_numbers
        ]  # fmt: skip
        results = np.array(work.each(f"{MODELS[name].title}, n × T × seeds", moments, tasks))
        results = results.reshape(len(self.sizes), len(temperatures), self.seeds, 2)
        return Scaling(MODELS[name], self.sizes, results[..., 1] / results[..., 0] ** 2)

    def loops(self, name: str, work: Work) -> Loops:
        """Do the loops of one model at all durations and seeds."""
        tasks = [
            (name, duration, self.loop_n, self.loop_columns, self.dt, self.records, seed)
            for duration in self.durations for seed in self.seed_numbers
        ]  # fmt: skip
        runs = work.each(f"{MODELS[name].title}, loops", loop, tasks)
        rows = [runs[k : k + self.seeds] for k in range(0, len(runs), self.seeds)]
        return Loops(name, self.durations, rows)

    def run(self, work: Work | None = None) -> Outcome:
        work = work or Work()
        scalings = {name: self.scaling(name, work) for name in self.models}
        loops = {name: self.loops(name, work) for name in self.models}
        return Outcome(_findings(scalings, loops), _tables(scalings, loops), _figures(scalings, loops), LIMITS)


LIMITS = (
    "The critical point is fitted under mean-field scaling, u = (T/T_c − 1)√n, with the universal ratio taken from "
    "theory. With a free ratio the interval is several times wider, and the truncated series in u shifts T_c by up to "
    "half a per cent.",
    "With the universal ratio given, the truncation of the series shifts T_c by about a tenth of a per cent "
    "(by quadrature of the finite system). This is not in the intervals.",
    "The temperatures were chosen around the known transitions. A transition elsewhere would not have been found.",
    "For θ = ½ order grows slowly even far below T_c, and little of it appears in the fastest loops. These are small "
    "for that reason, which flattens the fitted power.",
    "The loops show that the area falls over these durations. That it falls to zero is a result of theory. A "
    "first-order jump smaller than the fluctuations at this n would look the same.",
    "|m| of finitely many particles does not vanish in the disordered phase: it is of order n^{−½}, and n^{−¼} at T_c.",
)


def _inverse(T: Estimate) -> Estimate:
    return Estimate(1 / T.value, 1 / T.high, 1 / T.low, T.level, T.method)


def _findings(scalings: Mapping[str, Scaling], loops: Mapping[str, Loops]) -> tuple[Finding, ...]:
    findings = []
    for name, scaling in scalings.items():
        model = scaling.model
        what, truth = ("K/T_c", 2.0) if name == "kuramoto" else ("β_c", 1 / model.critical)
        found = _inverse(scaling.critical()[0])
        findings.append(Finding.covers(f"{model.title}: {what}", found, truth, 0.02 * truth))
    for each in loops.values():
        law = each.law()
        slowest = float(each.areas[-1].mean() / each.areas[0].mean())
        findings.append(
            Finding.within(
                f"{MODELS[each.name].title}: exponent of the loop's area over its duration", law.exponent, -math.inf,
                -0.3, None, f"The slowest loop encloses {100 * slowest:.0f} % of the fastest.",
            )
        )  # fmt: skip
    return tuple(findings)


def _tables(scalings: Mapping[str, Scaling], loops: Mapping[str, Loops]) -> tuple[Table, ...]:
    points, areas, critical = [], [], []
    for scaling in scalings.values():
        fixed, (free, ratio) = scaling.critical()[0], scaling.critical(free=True)
        critical.append(
            (scaling.model.title, scaling.model.critical, fixed.value, fixed.half_width, free.value, free.half_width,
             scaling.model.universal, ratio.value, ratio.half_width)
        )  # fmt: skip
        for i, n in enumerate(scaling.sizes):
            for j, T in enumerate(scaling.temperatures):
                found = t_interval(scaling.ratios[i, j])
                points.append((scaling.model.title, n, float(T), found.value, found.half_width))
    for each in loops.values():
        for duration, row in zip(each.durations, each.areas, strict=True):
            found = t_interval(row)
            areas.append((MODELS[each.name].title, duration, found.value, found.half_width))
    return (
        Table("critical", "Critical temperatures",
              ("model", "exact", "fitted", "±", "with free ratio", "±", "universal ratio", "fitted ratio", "±"),
              critical,
              "± are 95 % intervals over seeds; each seed is fitted on its own. With a free ratio the truncated series "
              "makes both too low, the ratio by up to 6 % (by quadrature). So these values are shown, but not judged."),
        Table("areas", "What the loops enclose", ("model", "duration", "area", "±"), areas),
        Table("ratios", "⟨m⁴⟩/⟨m²⟩²", ("model", "n", "T", "ratio", "±"), points),
    )  # fmt: skip


def _figures(scalings: Mapping[str, Scaling], loops: Mapping[str, Loops]) -> tuple[Figure, ...]:
    return (
        Figure(
            "crossing", "The ratio ⟨m⁴⟩/⟨m²⟩² over temperature",
            "Points with intervals over seeds, curves of the common fit by size. In the ordered phase the ratio falls "
            "to 1 as n grows, in the disordered phase it rises to 3 (2 for oscillators), so the curves cross near the "
            "critical temperature (band: fitted interval; dotted: exact).",
            _crossing(scalings),
        ),
        Figure(
            "loops", "Sweeps down and up in temperature",
            "⟨|m|⟩ over the columns, means over seeds, by the duration of a sweep. Solid: cooling. Dashed: heating. "
            "Dotted: the infinite system in equilibrium, by quadrature.",
            _loops(loops),
        ),
        Figure(
            "areas", "The loops close",
            "The area of a loop against the duration of a sweep: intervals over seeds, and the fitted power law.",
            _areas(loops),
        ),
    )  # fmt: skip


def _crossing(scalings: Mapping[str, Scaling]) -> Drawing:
    figure, axes = canvas(1, len(scalings), height=3.6)
    for axis, scaling in zip(axes, scalings.values(), strict=True):
        T = np.linspace(scaling.temperatures.min(), scaling.temperatures.max(), 100)
        common = scaling.fit(scaling.ratios.mean(axis=2))
        for i, n in enumerate(scaling.sizes):
            found = [t_interval(row) for row in scaling.ratios[i]]
            axis.errorbar(scaling.temperatures, [f.value for f in found], [f.half_width for f in found], fmt="o", ms=3,
                          lw=1, color=CYCLE[i % 6], label=f"n = {n}")  # fmt: skip
            axis.plot(T, scaling.curve(common, T, n), lw=1, color=CYCLE[i % 6])
        critical = scaling.critical()[0]
        axis.axvspan(critical.low, critical.high, color=MUTED, alpha=0.2, lw=0)
        axis.axvline(scaling.model.critical, ls=":", lw=1, color=INK)
        axis.set_title(scaling.model.title, fontsize=10, color=INK)
        finish(axis, "⟨m⁴⟩/⟨m²⟩²", "temperature T")
    return figure


def _loops(loops: Mapping[str, Loops]) -> Drawing:
    figure, axes = canvas(1, len(loops), height=3.6)
    for axis, each in zip(axes, loops.values(), strict=True):
        for k, (duration, row) in enumerate(zip(each.durations, each.runs, strict=True)):
            T = row[0][0]
            cooling, heating = (np.mean([one[side] for one in row], axis=0) for side in (1, 2))
            axis.plot(T, cooling, color=CYCLE[k % 6], lw=1.3, label=f"duration {duration:g}")
            axis.plot(T, heating, "--", color=CYCLE[k % 6], lw=1.3)
        axis.plot(T, [MODELS[each.name].exact(value) for value in T], ":", color=INK, lw=1.2, label="equilibrium")
        axis.set_title(MODELS[each.name].title, fontsize=10, color=INK)
        finish(axis, "order |m|", "temperature T")
    return figure


def _areas(loops: Mapping[str, Loops]) -> Drawing:
    figure, (axis,) = canvas(1, 1, width=5.2, height=3.4)
    for k, each in enumerate(loops.values()):
        law, durations = each.law(), np.array(each.durations)
        found = [t_interval(row) for row in each.areas]
        label = with_minus(f"{MODELS[each.name].title}: {law.exponent.value:.2f}")
        axis.errorbar(durations, [f.value for f in found], [f.half_width for f in found], fmt="o", ms=4, lw=1.2,
                      color=CYCLE[k], label=label)  # fmt: skip
        axis.plot(durations, law(durations), lw=1, color=CYCLE[k])
    axis.set_xscale("log")
    ticks = next(iter(loops.values())).durations
    axis.set_xticks(ticks, [f"{duration:g}" for duration in ticks])
    axis.set_xticks([], minor=True)
    log_scale(axis, always=True)
    finish(axis, "area", "duration of a sweep")
    return figure
