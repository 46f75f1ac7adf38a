"""The four cases of the study `dissipation`: potentials with known Gibbs states, and runs that relax to them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import integrate

from ...diagnostics import gaussian_entropy
from ...diagnostics.rates import Certificate, DecayRate, bakry_emery, decay_rate, double_well_certificate
from ...domains import Box
from ...energies import Potential, Quadratic
from ...entropies import Blob, LogDet, Shannon
from ...flow import solve
from ...functional import Functional
from ...measure import Ensemble
from ...solvers import ExponentialEuler, Grid, Heun, LeimkuhlerMatthews
from ..frame import Estimate
from ..frame.statistics import t_interval

Columns = Mapping[str, NDArray[np.float64]]
FLOOR = 0.03
"""Fits of F − F* from particles end here. Below, the noise of the entropy estimate (about T/√n) is 10 % or more."""


@dataclass(frozen=True)
class Case:
    """A potential V = Σⱼ Vⱼ(xⱼ) at a temperature T, and a Gaussian start.

    Component j has a double well x⁴/4 − x²/2 where `wells[j]` is true, else a parabola kx²/2 with k = `stiffness`. The
    start has the mean `mean` and the same `variance` in each component.
    """

    name: str
    wells: tuple[bool, ...]
    mean: tuple[float, ...]
    variance: float
    stiffness: float = 1.0
    temperature: float = 0.5

    @property
    def reach(self) -> float:
        """Half the width of the box of the grid; outside, the density is negligible."""
        return 4.0 if all(self.wells) else 8.0

    @property
    def dim(self) -> int:
        """The number of components."""
        return len(self.wells)

    def along(self, j: int, x: Any) -> Any:
        """Vⱼ(x)."""
        return x**4 / 4 - x**2 / 2 if self.wells[j] else 0.5 * self.stiffness * x**2

    @property
    def energy(self) -> Functional:
        """The energy ∫V dμ."""
        if not any(self.wells):
            return Quadratic(self.stiffness)
        well, k = torch.tensor(self.wells, dtype=torch.float64), self.stiffness
        return Potential(
            lambda x: (well * (0.25 * x**4 - 0.5 * x**2) + (1 - well) * 0.5 * k * x**2).sum(1),
            grad=lambda x: well * (x**3 - x) + (1 - well) * k * x,
        )

    @property
    def certificate(self) -> Certificate:
        """The certified decay rate: for a product of Gibbs laws it is the smallest rate of its factors."""
        well, parabola = double_well_certificate(self.temperature), bakry_emery(self.stiffness)
        factors = [well if is_well else parabola for is_well in self.wells]
        return min(factors, key=lambda certificate: certificate.rate)

    def gibbs(self, power: int = 0) -> list[float]:
        """∫xᵖ e^{−Vⱼ/T} dx for each component, by quadrature."""

        def weighted(x: float, j: int) -> float:
            return x**power * math.exp(-float(self.along(j, x)) / self.temperature)

        return [float(integrate.quad(weighted, -9, 9, args=(j,))[0]) for j in range(self.dim)]

    @property
    def infimum(self) -> float:
        """F* = −T log ∫e^{−V/T}."""
        return -self.temperature * sum(math.log(z) for z in self.gibbs())

    def infimum_on(self, cells: int) -> float:
        """F* among the densities that are constant on each cell: the limit of a run on a grid."""
        edges = np.linspace(-self.reach, self.reach, cells + 1)
        x, width = 0.5 * (edges[1:] + edges[:-1]), edges[1] - edges[0]
        return -self.temperature * sum(
            math.log(width * float(np.exp(-self.along(j, x) / self.temperature).sum())) for j in range(self.dim)
        )

    def gaussian_excess(self) -> float:
        """The error of the Gaussian entropy ½ log det(2πe C) in the Gibbs state: that minus the true entropy."""
        excess = 0.0
        for j, (z, second, fourth) in enumerate(zip(self.gibbs(), self.gibbs(2), self.gibbs(4), strict=True)):
            variance, k = second / z, self.stiffness
            mean_v = fourth / z / 4 - variance / 2 if self.wells[j] else 0.5 * k * variance
            excess += 0.5 * math.log(2 * math.pi * math.e * variance) - (mean_v / self.temperature + math.log(z))
        return excess

    def start(self, n: int, seed: int) -> Ensemble:
        """n particles at t = 0."""
        return Ensemble.gaussian(n, self.dim, mean=list(self.mean), cov=self.variance, seed=seed)


CASES = (
    Case("parabola, displaced", (False,), (4.0,), 0.5),
    Case("parabola, spread", (False,), (0.0,), 2.5),
    Case("double well", (True,), (1.2,), 0.1),
    Case("double well × parabola", (True, False), (1.2, 1.0), 0.2),
)


def particles(case: Case, n: int, dt: float, t_end: float, every: int, seed: int) -> Columns:
    """Run n particles with noise; return columns of the ledger and the Gaussian entropy, arrays (records,)."""
    solver = LeimkuhlerMatthews() if any(case.wells) else ExponentialEuler()
    F = case.energy - case.temperature * Shannon()
    return _run(F, case.start(n, seed), solver, dt=dt, t_end=t_end, seed=seed, record_every=every)


def surrogate(case: Case, kind: str, n: int, dt: float, t_end: float, every: int, seed: int) -> Columns:
    """Run n particles without noise whose entropy is a surrogate: "LogDet", or "Blob" with Silverman's bandwidth."""
    entropy = LogDet() if kind == "LogDet" else Blob("silverman")
    F = case.energy - case.temperature * entropy
    return _run(F, case.start(n, seed), Heun(), dt=dt, t_end=t_end, record_every=every)


def density(case: Case, cells: int, dt: float, t_end: float, every: int) -> Columns:
    """Run the density itself, by finite volumes on a box with `cells` cells per axis."""
    grid, box = Grid(cells), Box(-case.reach, case.reach)
    centres = grid.centres(box, case.dim)
    weights = torch.exp(-((centres - torch.tensor(case.mean)) ** 2).sum(1) / (2 * case.variance))
    start = Ensemble(centres, weights / weights.sum())
    F = case.energy - case.temperature * Shannon()
    return _run(F, start, grid, dt=dt, t_end=t_end, record_every=every, domain=box)


def _run(F: Any, start: Ensemble, solver: Any, **options: Any) -> Columns:
    ledger = solve(F, start, solver, observers={"gaussian": gaussian_entropy}, **options).ledger
    names = ("t", "free_energy", "entropy", "dissipation", "released", "closure_total", "gaussian")
    columns = {name: np.array(ledger[name]) for name in names}
    if "closure_error" in ledger:
        columns["closure_error"] = np.array(ledger["closure_error"])
    return columns


@dataclass(frozen=True, eq=False)
class Relaxation:
    """All runs of one case: particles and surrogates for each seed, and the density on a grid of `cells` per axis."""

    case: Case
    particles: Sequence[Columns]
    surrogates: Mapping[str, Sequence[Columns]]
    density: Columns
    cells: int

    def gap(self, run: Columns, gaussian: bool = False) -> NDArray[np.float64]:
        """F − F* along a run of particles (records,), with the entropy by nearest neighbours or that of a Gaussian."""
        entropy = run["gaussian"] - run["entropy"] if gaussian else 0.0
        return run["free_energy"] - self.case.temperature * entropy - self.case.infimum

    @property
    def true_gap(self) -> NDArray[np.float64]:
        """F − F* of the density on the grid."""
        return self.density["free_energy"] - self.case.infimum_on(self.cells)

    def rates(self, span: tuple[float, float], gaussian: bool = False) -> Estimate:
        """The decay rate of particles with its interval over seeds; `span` is in flow time."""
        fits = [decay_rate(run["t"], self.gap(run, gaussian), span, FLOOR) for run in self.particles]
        return t_interval([fit.rate for fit in fits])

    def surrogate_rates(self, kind: str, span: tuple[float, float]) -> Estimate:
        """The decay rate with a surrogate entropy; its F* is the free energy at the end of its own run."""
        runs = self.surrogates[kind]
        return t_interval([decay_rate(r["t"], r["free_energy"] - r["free_energy"][-1], span).rate for r in runs])

    def true_rate(self, span: tuple[float, float]) -> DecayRate:
        """The decay rate of the density."""
        return decay_rate(self.density["t"], self.true_gap, span)

    @property
    def slowest(self) -> float:
        """The least D/(F − F*) of the density. A log-Sobolev inequality says that it is at least 2αT."""
        seen = self.true_gap > 1e-6  # above the errors of rounding and of the grid
        return float((self.density["dissipation"][seen] / self.true_gap[seen]).min())
