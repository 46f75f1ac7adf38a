"""The surrogates of the study, their temperatures, and what is kept of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ...diagnostics.force_report import force_report
from ...diagnostics.regimes import REGIMES, Thresholds, variation
from ...diagnostics.transport import wasserstein
from ...entropies import REGISTRY as ENTROPIES
from ...entropies import KoLeo, SpectralEntropy
from ...errors import WgfError
from ...functional import Functional
from ...ledger import Ledger
from ...ledger.reference import cosine
from ...measure import Ensemble
from ...storage import remembered
from .data import ACCURACIES

VARIANTS = {variant.name: variant for entropy in ENTROPIES.values() for variant in entropy.variants()}
SURROGATES = {name: VARIANTS[name].words for name in sorted(VARIANTS, key=lambda name: name != "LogDet")}
"""Every surrogate of the registry by its name in the tables, and in words; log-det, that of the paper, comes first."""
LOG_DET, NONE = "LogDet", "none"
CONFINEMENT = 1e-3
"""k of the confinement k|x|²/2 in every energy, as weight decay: without it no entropy has an equilibrium."""
FORCE, DISSIPATION = "force", "dissipation"
"""How temperatures are matched: by the force ratio at the start, or by ∫I² dt over the run."""
JUDGES: dict[str, Functional] = {"KoLeo": KoLeo(), "SpectralEntropy": SpectralEntropy()}
"""The references of "misaligned" besides log-det, which the records of a run have already."""
REFERENCES = (LOG_DET, *JUDGES)


def surrogate(name: str, mu: Ensemble) -> Functional:
    """A surrogate by its name, made for the particles μ that the run begins with."""
    return VARIANTS[name].make(mu)


def unit_temperature(loss_force: Tensor, entropic: Tensor, mu: Ensemble) -> float:
    """The temperature at which information force and loss force are equal in L²(μ): T with T‖∇S‖ = ‖∇E‖.

    0 where the entropy has no force.
    """
    squares = [float(mu.expect((force.double() ** 2).sum(1))) for force in (loss_force, entropic)]
    return math.sqrt(squares[0] / squares[1]) if squares[1] > 0 else 0.0


def beside(mu: Ensemble, force: Tensor, reference: str) -> float:
    """The cosine of ∇S and the force of a reference in `JUDGES`; NaN where the reference has none."""
    try:
        other = JUDGES[reference].gradient(mu)
    except WgfError:  # such as particles that coincide, for KoLeo
        return math.nan
    return cosine(mu, force, force, other)


# ---------------------------------------------------------------------------------------------- a run


@remembered(name="run of information-force")
@dataclass(frozen=True, eq=False)
class Run:
    """What is kept of one run: its place in the sweep, the forces, and what was learned.

    `matched` is r₀, the force ratio at the start, or where `matching` is "dissipation" the share ∫I² dt/∫G² dt of the
    run without entropy. T is the temperature that it takes. c₀ and c₁ bound I/G and `typical` is its geometric mean
    over time. `varies` is the coefficient of variation of I over the whole run, `restless` the largest in a window of
    a quarter of it. `spent` is ∫I² dt and `released` ∫G² dt.

    `regimes` has the share of the time in each regime, where "misaligned" is judged by the references other than the
    surrogate itself, and `misaligned` the share by each reference alone. `collapse` is the collapse index at the end.
    `ratio` is I/G at the times `t`. `end` are the particles or representations at the end and `length` the length of
    their path. `rank`, `probe` and `spread` are those of the features of test samples, `before` the same three before
    training; the spread is √(tr C) in units of that before training.
    """

    setting: str
    surrogate: str
    seed: int
    matched: float
    temperature: float
    c0: float
    c1: float
    typical: float
    varies: float
    restless: float
    spent: float
    released: float
    regimes: dict[str, float]
    misaligned: dict[str, float]
    degenerate: bool
    degenerate_alone: bool
    degenerate_by: dict[str, bool]
    collapse: float
    rank: float
    probe: float
    spread: float
    before: dict[str, float]
    accuracy: dict[str, float]
    closure: float
    t: NDArray[np.float64]
    ratio: NDArray[np.float64]
    end: Ensemble
    length: float
    finished: bool = True
    matching: str = FORCE

    @property
    def overall(self) -> float:
        """The mean of the accuracies on clean, noisy and altered test samples."""
        return sum(self.accuracy[name] for name in ACCURACIES) / len(ACCURACIES)


def forces(
    ledger: Ledger,
    end: Ensemble,
    plain: Run | None,
    name: str = "",
    cosines: Mapping[str, ArrayLike] | None = None,
    finished: bool = True,
) -> dict[str, Any]:
    """The fields of a `Run` that its ledger and the `plain` run, the one without entropy, give.

    The collapse index is W₂ between the ends of both over the length of the path of the plain one; below its threshold
    the whole run is collapsed. Misaligned is a record where the median cosine with the references is negative, without
    the reference that is the surrogate `name` itself: it would judge its own case. A run is degenerate where it has no
    information force, where it did not end because it diverged, or where regimes cover half of its time or more;
    `degenerate_alone` leaves out misalignment, and `degenerate_by` takes one reference alone. `cosines` are those with
    the references in `JUDGES` at the records, by default columns of the ledger.
    """
    report = force_report(ledger)
    t, force, ratio = report.t, report.columns["information_force"], report.columns["force_ratio"]
    duration, acts = float(t[-1] - t[0]), bool((force > 0).any())
    index = 0.0
    if plain is not None:
        with suppress(WgfError):  # as where a run has diverged so far that squares overflow
            index = math.inf
            index = float(wasserstein(end, plain.end)) / plain.length

    def share(inside: NDArray[np.float64]) -> float:
        return float(np.trapezoid(inside, t)) / duration if duration > 0 else float(inside[0])

    shares, alone = {}, np.zeros(len(t))
    for regime in REGIMES:
        if regime == "misaligned":
            continue
        inside = np.zeros(len(t))
        for span in report.of(regime):
            inside[(t >= span.start) & (t <= span.end)] = 1.0
        if regime == "collapsed" and index < Thresholds().collapsed:
            inside[:] = 1.0
        shares[regime] = share(inside)
        alone = np.maximum(alone, inside)
    against = _misaligned(ledger, name, cosines or {key: ledger[key] for key in JUDGES if key in ledger})
    shares["misaligned"] = share(against[""])

    def degenerate(inside: NDArray[np.float64]) -> bool:
        return not acts or not finished or share(np.maximum(alone, inside)) >= 0.5

    window = report.columns["stability"]
    return {
        "c0": report.c0 if acts else 0.0,
        "c1": report.c1 if acts else 0.0,
        "typical": _geometric_mean(t, ratio) if acts else 0.0,
        "varies": float(variation(t, force, duration)[-1]) if acts else math.nan,
        "restless": float(np.nanmax(window)) if acts and np.isfinite(window).any() else math.nan,
        "spent": float(np.trapezoid(force**2, t)),
        "released": float(np.trapezoid(report.columns["loss_force"] ** 2, t)),
        "regimes": shares,
        "misaligned": {key: share(inside) for key, inside in against.items() if key},
        "degenerate": degenerate(against[""]),
        "degenerate_alone": degenerate(np.zeros(len(t))),
        "degenerate_by": {key: degenerate(inside) for key, inside in against.items() if key},
        "collapse": index,
        "t": t,
        "ratio": ratio,
        "end": end,
    }


def _misaligned(ledger: Ledger, name: str, cosines: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """1 at the records with a negative cosine, by each reference, and under "" by those other than the surrogate."""
    columns = {LOG_DET: ledger["reference_alignment"]}
    for key, known in cosines.items():
        columns[key] = np.full(ledger.rows, math.nan)
        values = np.asarray(known, dtype=np.float64)
        columns[key][: len(values)] = values
    others = np.array([column for key, column in columns.items() if key != name] or list(columns.values()))
    known = np.isfinite(others).any(0)
    median = np.full(others.shape[1], math.nan)
    median[known] = np.nanmedian(others[:, known], axis=0)
    low = Thresholds().misaligned
    return {key: (column < low).astype(float) for key, column in (columns | {"": median}).items()}


def _geometric_mean(t: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """exp of the mean over time of the logarithm, where it is known."""
    known = np.isfinite(values) & (values > 0)
    if known.sum() < 2:
        return math.nan
    return math.exp(float(np.trapezoid(np.log(values[known]), t[known]) / (t[known][-1] - t[known][0])))
