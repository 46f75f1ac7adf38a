"""The tables of the study `scaling`: exponents, laws, and every size."""

from __future__ import annotations

from ..frame import Table
from ..frame.statistics import t_interval
from .laws import LAWS, LawFit, law_intervals
from .sweep import Exponents, Sweep


def tables(
    sweeps: dict[str, Sweep], fits: dict[str, dict[str, LawFit]], exponents: dict[str, Exponents], copies: int
) -> tuple[Table, ...]:
    """The tables in the order of the report: exponents, laws, sizes."""
    return _exponents(exponents), _laws(sweeps, fits, copies), _sizes(sweeps)


def _sizes(sweeps: dict[str, Sweep]) -> Table:
    rows = []
    for name, s in sweeps.items():
        for k, size in enumerate(s.sizes):
            found = t_interval(s.residual[k])
            middle = [float(values[k].mean()) for values in (s.stock, s.injection, s.dissipation, s.rate)]
            ratio, closure = float((s.balanced / s.stock)[k].mean()), float(s.closure[k].mean())
            rows.append([name, size, found.value, found.half_width, *middle, ratio, closure])
    text = (
        "R is ½ E (f − f*)² on fresh inputs, with the half-width of its 95 % interval; I is in nats. J is the rate of "
        "I under the risk alone, γ the rate at which log I falls under the confinement alone, dI/dt the rate of I "
        "under both. Each comes from a flow of its own over a fifth of a step. Closure measures the error of the time "
        "step since the last count of steps."
    )
    return Table(
        "sizes", "Every size", ("resource", "N", "R", "±", "I", "J", "γ", "dI/dt", "J/(γI)", "closure"), rows, text
    )


def _laws(sweeps: dict[str, Sweep], fits: dict[str, dict[str, LawFit]], copies: int) -> Table:
    rows = []
    for name, s in sweeps.items():
        for law, fit in fits[name].items():
            intervals = law_intervals(law, s.sizes, list(s.residual), paired=True, resamples=copies)
            shape = LAWS[law][2] if len(LAWS[law]) > 2 else None
            parts = [str(intervals[p]) if p is not None else "" for p in ("offset", "amplitude", shape)]
            rows.append([name, law, *parts, fit.chi_square, fit.aicc, fit.weight, fit.prediction_error])
    columns = ("resource", "law", "R∞", "c", "α or rate", "χ²", "AICc", "weight", "error at the largest size")
    text = (
        "Power: R∞ + c N^{−α}; exponential: R∞ + c e^{−rN}; logarithmic: R∞ − c log N. The last column fits all "
        "sizes but the largest and predicts that one; the error is in standard errors of its value."
    )
    return Table("laws", "Three laws for each resource", columns, rows, text)


def _exponents(exponents: dict[str, Exponents]) -> Table:
    rows = [
        [e.resource, str(e.fitted), str(e.growth), e.calibration, str(e.foretold), str(e.difference)]
        for e in exponents.values()
    ]
    columns = ("resource", "α fitted", "κ of J/γ", "β from", "α foretold", "difference")
    text = (
        "If R − R∞ = c I^{−β} and I = J/γ ∝ N^κ, then α = βκ. β = α/κ is taken from the sweep named. κ is the slope of "
        "a straight line through log J/γ. The figure shows how curved log J/γ is."
    )
    return Table("exponents", "Fitted and predicted exponents", columns, rows, text)
