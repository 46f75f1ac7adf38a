"""The study `dissipation`: measured decay rates compared with certified ones, and estimates compared with the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...diagnostics.rates import relative_fisher
from ...errors import require_integer, require_number
from ..frame import Estimate, Figure, Finding, Outcome, Study, Table, Work
from ..frame.statistics import LEVEL, t_interval
from . import figures as relaxation_figures
from .relaxation import CASES, Case, Relaxation, density, particles, surrogate

SURROGATES = ("LogDet", "Blob")


@dataclass(frozen=True, kw_only=True)
class Dissipation(Study):
    """Follow four relaxations by particles with noise, by two surrogate entropies, and by the density on a grid.

    The temperature is ½. In the parabola (k = 1) the particles use exponential Euler, which is exact there; in the
    wells Leimkuhler–Matthews. The surrogates (LogDet, Blob) run without noise by Heun, on a line only. The density is
    computed by finite volumes.

    Parameters
    ----------
    seeds, first_seed : int
        Number of replicas and the first seed.
    n, surrogate_n : int ≥ 50
        Numbers of particles with noise, and with a surrogate.
    cells, cells_2d : int ≥ 16
        Grid cells per axis in one and in two dimensions.
    dt, t_end : float > 0
        Time step and end of the runs, in flow time.
    early, late : float > 0
        Rates of particles are fitted over [0, early], those of the density also over [late, t_end], in flow time.
    surrogate_t_end : float > 0
        End of the runs with a surrogate, in flow time.
    every : int ≥ 1
        Steps between two records.

    See Also
    --------
    wgf.studies.run, wgf.studies.load, wgf.studies.Study

    Examples
    --------
    >>> import wgf
    >>> study = wgf.studies.load("dissipation", quick=True)
    >>> study.seeds, study.t_end
    (3, 2.0)
    """

    name: ClassVar[str] = "dissipation"
    title: ClassVar[str] = "Free energy, dissipation and rates of decay"
    question: ClassVar[str] = (
        "Does the free energy fall by what is dissipated, how does its measured rate of decay compare with the rate "
        "that a log-Sobolev inequality certifies, and how accurate are estimates from particles?"
    )

    seeds: int = 8
    n: int = 2000
    surrogate_n: int = 400
    cells: int = 160
    cells_2d: int = 64
    dt: float = 0.02
    t_end: float = 3.0
    early: float = 1.0
    late: float = 1.5
    surrogate_t_end: float = 8.0
    every: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n", "surrogate_n"):
            require_integer(name, getattr(self, name), low=50)
        for name in ("cells", "cells_2d"):
            require_integer(name, getattr(self, name), low=16)
        for name in ("dt", "t_end", "early", "late", "surrogate_t_end"):
            require_number(name, getattr(self, name), positive=True)
        require_integer("every", self.every, low=1)

    def quick(self) -> Dissipation:
        return self.replace(  # type: ignore[return-value]
            seeds=3,
            n=2000,
            surrogate_n=60,
            cells=64,
            cells_2d=20,
            dt=0.04,
            t_end=2.0,
            late=1.0,
            surrogate_t_end=4.0,
            every=4,
        )

    def relax(self, case: Case, work: Work) -> Relaxation:
        """Do all runs of one case."""
        noisy = work.each(
            f"{case.name}, particles", particles,
            [(case, self.n, self.dt, self.t_end, self.every, seed) for seed in self.seed_numbers],
        )  # fmt: skip
        others = {
            kind: work.each(
                f"{case.name}, {kind}", surrogate,
                [(case, kind, self.surrogate_n, self.dt, self.surrogate_t_end, self.every, s)
                 for s in self.seed_numbers if case.dim == 1],
            )
            for kind in SURROGATES
        }  # fmt: skip
        cells = self.cells if case.dim == 1 else self.cells_2d
        finer = 8 if case.dim == 1 else 2  # backward Euler adds h|∇V|²/2 to the diffusion
        options = case, cells, self.dt / finer, self.t_end, finer * self.every
        (truth,) = work.each(f"{case.name}, grid", density, [options])
        return Relaxation(case, noisy, others, truth, cells)

    def run(self, work: Work | None = None) -> Outcome:
        runs = [self.relax(case, work or Work()) for case in CASES]
        return Outcome(_findings(self, runs), _tables(self, runs), _figures(self, runs), LIMITS)


LIMITS = (
    "A measured rate holds for its start and its span of time. From another start the flow may be slower, down to the "
    "slowest mode; only the certificate is a bound for all starts.",
    "The certificate of the double well is the best of one splitting of V; a sharper constant exists. So its distance "
    "from the measured rate says nothing about the flow.",
    "The entropy of particles is estimated by nearest neighbours, whose bias grows with the dimension. Nothing is "
    "shown for more than two dimensions.",
    "D of particles has a smoothing error, whose part near equilibrium is positive. There D is small, and from 2000 "
    "particles its estimate in the wells is too large, by up to a factor of two. So the closure of their ledger is "
    "negative, within its error bar.",
    "The rate of a surrogate is that of its own free energy to its own minimum. In the wells the minimum of LogDet "
    "differs from that of Shannon, because a Gaussian entropy does not see two modes.",
    "The finite volumes taken as truth have the error of the grid (width² in space, dt in time), about one per cent of "
    "a rate here.",
)


def _findings(study: Dissipation, runs: Sequence[Relaxation]) -> tuple[Finding, ...]:
    displaced, _, wells, plane = runs
    exact = displaced.case.certificate.rate
    early = (0.0, study.early)
    excess = wells.case.gaussian_excess()
    spread = [run["gaussian"][-1] - run["entropy"][-1] for run in wells.particles]
    knn = [run["entropy"][-1] - wells.density["entropy"][-1] for run in wells.particles]
    knn_plane = [run["entropy"][-1] - plane.density["entropy"][-1] for run in plane.particles]
    remark = "In this case the certificate 2k is the rate itself, as Bakry and Émery's bound is sharp for parabolas."
    findings = [
        Finding.within("parabola, displaced: rate of decay of F by particles, Gaussian entropy",
                       displaced.rates(early, gaussian=True), 0.98 * exact, 1.02 * exact, exact, remark),
        Finding.within("parabola, displaced: rate of decay of F by particles, nearest neighbours",
                       displaced.rates(early), 0.95 * exact, 1.05 * exact, exact),
    ]  # fmt: skip
    for kind in SURROGATES:
        rate = displaced.surrogate_rates(kind, early)
        findings.append(
            Finding.within(f"parabola, displaced: rate with {kind}", rate, 0.98 * exact, 1.02 * exact, exact)
        )
    for relaxation in runs:
        certificate = relaxation.case.certificate
        slowest = relaxation.slowest
        measured = Estimate(slowest, slowest, slowest, 1.0, "none, as one density without noise")
        findings.append(
            Finding.within(
                f"{relaxation.case.name}: least D/(F − F*) of the density", measured, 0.98 * certificate.rate, math.inf,
                None, f"Certified: {certificate.rate:.4g} by {certificate.name} ({certificate.assumption}).",
            )
        )  # fmt: skip
    for relaxation in runs:
        closure = float(relaxation.density["closure_total"][-1])
        measured = Estimate(closure, closure, closure, 1.0, "none, as one density without noise")
        findings.append(
            Finding.within(f"{relaxation.case.name}: closure of the density's ledger", measured, -0.02, 0.02, 0.0)
        )
    for relaxation in runs:
        close = _interval_of_known([run["closure_total"][-1] for run in relaxation.particles])
        remark = "D is estimated here from the particles, and its error shows in the closure."
        findings.append(
            Finding.within(f"{relaxation.case.name}: closure of the particles' ledger", close, -0.1, 0.1, 0.0, remark)
        )
    findings += [
        Finding.within("double well: entropy by nearest neighbours less that of the density", t_interval(knn),
                       -0.05, 0.05, 0.0),
        Finding.within("double well × parabola: the same in the plane", t_interval(knn_plane), -0.1, 0.1, 0.0),
        Finding.within("double well: Gaussian entropy less nearest neighbours', at the end", t_interval(spread),
                       excess - 0.05, excess + 0.05, excess, "Expected: of the Gibbs state, by quadrature."),
    ]  # fmt: skip
    return tuple(findings)


def _tables(study: Dissipation, runs: Sequence[Relaxation]) -> tuple[Table, ...]:
    early, late = (0.0, study.early), (study.late, study.t_end)
    rates, estimates = [], []
    for run in runs:
        certificate = run.case.certificate
        row: list[object] = [run.case.name, certificate.rate, certificate.name]
        row += [run.rates(early).value, run.rates(early).half_width]
        for kind in SURROGATES:
            found = run.surrogate_rates(kind, early) if run.surrogates[kind] else None
            row += [None, None] if found is None else [found.value, found.half_width]
        rates.append([*row, run.true_rate(early).rate, run.true_rate(late).rate, run.slowest])
        T, truth = run.case.temperature, run.density
        for k, t in enumerate(run.particles[0]["t"]):
            at = int(np.abs(truth["t"] - t).argmin())
            columns = {name: [p[name][k] for p in run.particles] for name in ("entropy", "gaussian", "dissipation")}
            knn, gaussian, fisher = (
                t_interval(columns["entropy"]), t_interval(columns["gaussian"]),
                t_interval(relative_fisher(columns["dissipation"], T)),
            )  # fmt: skip
            estimates.append(
                (run.case.name, float(t), float(truth["entropy"][at]), knn.value, knn.half_width, gaussian.value,
                 gaussian.half_width, float(relative_fisher(truth["dissipation"], T)[at]), fisher.value,
                 fisher.half_width)
            )  # fmt: skip
    return (
        Table(
            "rates", "Rates of decay of F: certified, and measured",
            ("case", "certified", "by", "particles", "±", "LogDet", "±", "Blob", "±", "density, early", "density, late",
             "least D/(F − F*)"),
            rates, f"Early is t ≤ {study.early:g}, late t ≥ {study.late:g}. ± are 95 % intervals over seeds. A "
            "measured rate is not a bound, and a certified rate is not a measurement.",
        ),
        Table(
            "estimates", "Entropy and relative Fisher information: estimates and the density",
            ("case", "t", "entropy (density)", "nearest neighbours", "±", "Gaussian", "±", "Fisher (density)",
             "Fisher (particles)", "±"),
            estimates, "Relative Fisher information I(μ|π) = D/T². The Gaussian entropy is an upper bound.",
        ),
    )  # fmt: skip


def _figures(study: Dissipation, runs: Sequence[Relaxation]) -> tuple[Figure, ...]:
    return (
        Figure(
            "decay", "Decay of the free energy",
            "F − F* of the density (line), of particles (points, with intervals over seeds), and the certified upper "
            "bound (dotted). Below the dashed floor the noise of the entropy estimate dominates.",
            relaxation_figures.decay(runs),
        ),
        Figure(
            "balance", "What is lost is what is dissipated",
            "F of the particles (line) and F(0) − ∫D dt with D estimated at the records (dashed, integrated by "
            "trapezoids), means over seeds with intervals. Dotted: the same for the density, whose D is known. Where "
            "dashed and dotted differ, the estimate of D from particles has an error.",
            relaxation_figures.balance(runs),
        ),
        Figure(
            "entropy", "Entropy by two estimators",
            "The entropy of the density (line) and its estimates from particles. In the wells the Gaussian estimate "
            "stays too large: it sees the width of both modes, but not the gap between them.",
            relaxation_figures.entropy(runs),
        ),
    )  # fmt: skip


def _interval_of_known(closures: list[float]) -> Estimate:
    """The interval of the closures that are known. With fewer than two it holds every number: nothing is decided."""
    known = [closure for closure in closures if math.isfinite(closure)]
    if len(known) < 2:
        return Estimate(math.nan, -math.inf, math.inf, LEVEL, "none: too few particles resolve the dissipation")
    return t_interval(known)
