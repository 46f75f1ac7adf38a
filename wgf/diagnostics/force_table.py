"""What a force report says: its bounds, its verdict in one line, its table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..errors import ConfigError, require_number, shown
from .regimes import REGIMES, Judged, Span, Thresholds

MEANING = {
    "loss_force": "loss force G",
    "information_force": "information force I",
    "force_ratio": "ratio I/G",
    "alignment": "alignment with −∇E",
    "entropy_production": "entropy production ⟨∇S, v⟩",
    "reference_alignment": "cosine of ∇S and ∇S_ref",
    "stability": "variation of I in the window",
    "collapse": "collapse index c",
}
"""The words of the table for each quantity, by its name in `to_dict`."""
HEADER = ("", "start", "end", "least", "largest")


@dataclass(frozen=True, eq=False, repr=False)
class ForceReport(Judged):
    """The result of `force_report`: the information force I against the loss force G over one run.

    Attributes
    ----------
    t : array (k,)
        Flow times of the records.
    columns : mapping of str to array (k,)
        The quantities by the names of `MEANING`. The collapse index has its own times.
    window, thresholds : float and Thresholds
        Length of the moving window, in flow time, and where each degenerate regime begins.
    spans : tuple of Span
        The degenerate regimes, one regime after the other, each in the order of time.
    unknown, notes : mapping of str to str
        For each quantity that is NaN somewhere: how often and why. Notes of the ledger on its estimates.

    See Also
    --------
    wgf.diagnostics.force_report, wgf.diagnostics.Span, wgf.diagnostics.Thresholds

    Examples
    --------
    >>> import wgf
    >>> F, mu = wgf.Quadratic() - 0.5 * wgf.LogDet(), wgf.Ensemble.gaussian(50, 2, cov=4.0)
    >>> report = wgf.diagnostics.force_report(wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.05, t_end=5.0))
    >>> report.effective, report.c0 > 0.1, report.spans
    (True, True, ())
    """

    t: np.ndarray
    columns: Mapping[str, np.ndarray]
    window: float
    thresholds: Thresholds
    spans: tuple[Span, ...]
    unknown: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)

    def bounds(self, tau: float | None = None) -> tuple[float, float]:
        """(c₀, c₁), the least and the largest I/G at the records up to t = τ; by default over the whole run.

        c₁ is infinite where G = 0. Both are NaN where I/G is never known. ConfigError for a τ before the first record.
        """
        return _extent(self._until(tau))

    def is_effective(self, tau: float | None = None) -> bool:
        """Whether I/G is known, not weak and finite at every record up to t = τ; by default over the whole run."""
        ratio = self._until(tau)
        return bool((ratio >= self.thresholds.weak).all() and np.isfinite(ratio).all())

    def _until(self, tau: float | None) -> np.ndarray:
        last = math.inf if tau is None else require_number("tau", tau)
        ratio = self.columns["force_ratio"][self.t <= last]
        if not len(ratio):
            raise ConfigError(f"tau = {tau}: wanted a time of the run, which begins at t = {self.t[0]:g}.")
        return ratio

    @property
    def c0(self) -> float:
        """The least I/G of the run."""
        return self.bounds()[0]

    @property
    def c1(self) -> float:
        """The largest I/G of the run."""
        return self.bounds()[1]

    @property
    def effective(self) -> bool:
        """Whether c₀ ≤ I/G ≤ c₁ over the whole run, with c₀ at least `thresholds.weak` and c₁ finite."""
        return self.is_effective()

    def of(self, regime: str) -> tuple[Span, ...]:
        """The spans of one regime: "weak", "unstable", "misaligned" or "collapsed". ConfigError for another word."""
        if regime not in REGIMES:
            raise ConfigError(f"regime = {shown(regime)}: wanted one of {', '.join(REGIMES)}.")
        return tuple(span for span in self.spans if span.regime == regime)

    @property
    def verdict(self) -> str:
        """One line: whether the force was effective, its bounds, and the times of each degenerate regime."""
        ratio = self.columns["force_ratio"]
        if not (self.columns["information_force"] != 0).any():
            return "no information force: I = 0 throughout"
        if np.isnan(ratio).all():
            return f"not known: {self.unknown['force_ratio']}"
        bounds = f"{self.c0:.3g} ≤ I/G ≤ {self.c1:.3g}"
        said = f"effective, {bounds}" if self.effective else f"not effective, {bounds}"
        if np.isnan(ratio).any():
            said += f" where known ({self.unknown['force_ratio']})"
        when: dict[str, list[str]] = {}
        for span in self.spans:
            text = f"{span.start:.4g}" if span.start == span.end else f"{span.start:.4g} … {span.end:.4g}"
            if text not in when.setdefault(span.regime, []):
                when[span.regime].append(text)
        return "; ".join([said, *(f"{name} at t = {_few(times)}" for name, times in when.items())])

    def rows(self) -> list[tuple[str, ...]]:
        """The table as text: each quantity with its first, last, least and largest value; a dash where unknown."""
        found = []
        for name, column in self.columns.items():
            ends = (column[0], column[-1], *_extent(column))
            found.append((MEANING[name], *("–" if math.isnan(x) else f"{x:.4g}" for x in ends)))
        return found

    def remarks(self) -> list[str]:
        """The lines under the table: whether there is an entropy, the regimes with thresholds, what is unknown."""
        why = {regime: f": {note}" for regime in REGIMES if (note := self.notes.get(f"regime:{regime}"))}
        regimes = [f"{span}{why.get(span.regime, '')}" for span in self.spans] or ["no degenerate regime"]
        if "no entropy term" in self.notes.get("entropy", ""):
            regimes = [self.notes["entropy"], *regimes]
        return [*regimes, *(f"{MEANING[name]} not known {reason}" for name, reason in self.unknown.items())]

    def to_dict(self) -> dict[str, Any]:
        """The whole report as plain values for JSON; None for numbers that are not finite."""
        quantities = {
            name: {"start": column[0], "end": column[-1]}
            | dict(zip(("least", "largest"), _extent(column), strict=True))
            for name, column in self.columns.items()
        }
        return {
            "verdict": self.verdict,
            "effective": self.effective,
            "c0": _finite(self.c0),
            "c1": _finite(self.c1),
            "window": self.window,
            "thresholds": asdict(self.thresholds),
            "regimes": [asdict(span) for span in self.spans],
            "quantities": {q: {k: _finite(v) for k, v in values.items()} for q, values in quantities.items()},
            "unknown": dict(self.unknown),
            "notes": dict(self.notes),
        }

    def table(self) -> Any:
        """A `rich.table.Table` of `rows`, with the verdict above and the remarks below."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self.verdict), caption=Text("\n".join(self.remarks())), title_justify="left",
                      caption_justify="left", box=None, pad_edge=False)  # fmt: skip
        for name in HEADER:
            table.add_column(name, justify="left" if not name else "right")
        for row in self.rows():
            table.add_row(*(Text(cell) for cell in row))
        return table

    def __str__(self) -> str:
        lines = [HEADER, *self.rows()]
        width = max(len(row[0]) for row in lines)
        body = [row[0].ljust(width) + "".join(cell.rjust(12) for cell in row[1:]) for row in lines]
        return "\n".join([self.verdict, *body, *self.remarks()])


def _extent(column: np.ndarray) -> tuple[float, float]:
    known = column[~np.isnan(column)]
    return (float(known.min()), float(known.max())) if len(known) else (math.nan, math.nan)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _few(times: list[str], most: int = 3) -> str:
    return ", ".join(times[:most]) + (f" and {len(times) - most} more" if len(times) > most else "")
