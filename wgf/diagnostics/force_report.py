"""The force report: how strong the information force of a run was, and when it was degenerate (docs/theory.md §5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from ..errors import ConfigError, require_number, shown
from ..ledger import Ledger
from .regimes import REGIMES, Judged, Span, Thresholds, runs_of, unstable, variation

COLUMNS = ("t", "loss_force", "information_force", "force_ratio", "alignment", "entropy_production")
"""The columns that a ledger must have. `reference_alignment` is optional: without it nothing is called misaligned."""

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


class Index(Protocol):
    """What the report needs of a collapse index: the times t and the index c(t), arrays (k,)."""

    @property
    def t(self) -> np.ndarray: ...

    @property
    def index(self) -> np.ndarray: ...


class HasLedger(Protocol):
    """A solution, or any other object with a ledger."""

    @property
    def ledger(self) -> Ledger: ...


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


HEADER = ("", "start", "end", "least", "largest")


def force_report(
    source: Ledger | HasLedger,
    *,
    window: float | None = None,
    thresholds: Thresholds | None = None,
    collapse: Index | None = None,
) -> ForceReport:
    """Judge the information force of a run from its records (Human-Centered Learning Mechanics, arXiv:2605.22940).

        G = ‖∇_W E‖,  I = T‖∇_W S‖,  r = I/G   in L²(μ_t);   effective on [0, τ] if 0 < c₀ ≤ r ≤ c₁

    Here c₀ > 0 means r ≥ `thresholds.weak` at every record. The degenerate regimes are **weak** (r is too small),
    **unstable** (I varies too much in a window, or rises throughout one with r > 1), **misaligned** (negative cosine
    of ∇S and the log-det force) and **collapsed** (the run hardly differs from the one without entropy).

    Parameters
    ----------
    source : Ledger or Solution
        The records of a run, with the columns `COLUMNS`.
    window : float, optional
        Length of the moving window, in flow time; by default `thresholds.window` times the duration of the run.
    thresholds : Thresholds, optional
        Where each regime begins.
    collapse : CollapseIndex, optional
        The result of `wgf.collapse_index`, or any object with arrays `t` and `index`.

    Returns
    -------
    ForceReport
        Bounds, regimes and a table. Spans begin and end at records; nothing is known between two records.

    Raises
    ------
    ConfigError
        For an empty ledger, a missing column, times that do not rise, or a window ≤ 0 or longer than the run.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(100, 2, seed=0)
    >>> sol = wgf.solve(wgf.Quadratic() - 0.5 * wgf.LogDet(), mu, wgf.solvers.Heun(), dt=0.1, t_end=2.0)
    >>> report = force_report(sol)
    >>> report.effective, report.spans
    (True, ())
    """
    limits = Thresholds() if thresholds is None else thresholds
    if not isinstance(limits, Thresholds):
        raise ConfigError(f"thresholds is {type(limits).__name__}: wanted Thresholds(weak=..., window=..., ...).")
    ledger = _ledger(source)
    t = ledger["t"]
    length = _window(window, limits, t)
    columns = {name: ledger[name] for name in MEANING if name in ledger}
    columns["force_ratio"] = _ratio(columns)
    columns["stability"] = variation(t, columns["information_force"], length)
    spans = runs_of("weak", t, columns["force_ratio"] < limits.weak, f"I/G < {limits.weak:g}")
    spans += unstable(t, columns["information_force"], columns["force_ratio"], columns["stability"], length, limits)
    reference = columns.get("reference_alignment")
    if reference is not None:
        spans += runs_of(
            "misaligned", t, reference < limits.misaligned, f"cosine of ∇S and ∇S_ref < {limits.misaligned:g}"
        )
    if collapse is not None:
        times, index = (np.asarray(values, dtype=np.float64) for values in (collapse.t, collapse.index))
        spans += runs_of("collapsed", times, index < limits.collapsed, f"c < {limits.collapsed:g}")
        columns["collapse"] = index
    kept = {name: note for name, note in ledger.notes.items() if name in MEANING or name.startswith(_KEPT)}
    return ForceReport(t, columns, length, limits, tuple(spans), _unknown(columns, kept), kept)


def _ledger(source: Any) -> Ledger:
    ledger = source if isinstance(source, Ledger) else getattr(source, "ledger", None)
    if not isinstance(ledger, Ledger):
        raise ConfigError(f"force_report of {type(source).__name__}: wanted a Ledger or a Solution.")
    if not ledger.rows:
        raise ConfigError("force_report: the ledger has no record; wanted one at least.")
    missing = [name for name in COLUMNS if name not in ledger]
    if missing:
        raise ConfigError(f"force_report: the ledger lacks {', '.join(missing)}; wanted {', '.join(COLUMNS)}.")
    t = ledger["t"]
    if not (np.isfinite(t).all() and (np.diff(t) > 0).all()):
        raise ConfigError("force_report: the times of the ledger do not rise; wanted one row per record in order.")
    return ledger


def _window(window: float | None, limits: Thresholds, t: np.ndarray) -> float:
    duration = float(t[-1] - t[0])
    if window is None:
        return limits.window * duration
    length = require_number("window", window, positive=True)
    if length > duration:
        raise ConfigError(f"window = {length:g}: wanted at most the {duration:g} that the run is long.")
    return length


def _ratio(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """r = I/G, infinite where I > 0 and G = 0; the ledger has NaN there."""
    loss, force, ratio = columns["loss_force"], columns["information_force"], columns["force_ratio"]
    return np.where((loss == 0) & (force > 0), math.inf, ratio)


def _unknown(columns: Mapping[str, np.ndarray], notes: Mapping[str, str]) -> dict[str, str]:
    said = {}
    for name, column in columns.items():
        count, total = int(np.isnan(column).sum()), len(column)
        if name == "stability":  # no window is whole at the start
            if count == total:
                said[name] = "as no window of known values has 3 records"
        elif count and not (name == "collapse" and count == 1 and math.isnan(column[0])):
            fallback = notes.get("dissipation") or notes.get("entropy") or ""
            why = notes.get(name) or ("a force vanishes" if name in _QUOTIENTS and not fallback else fallback)
            said[name] = f"at {count} of {total} records" + (f": {why}" if why else "")
    return said


_QUOTIENTS, _KEPT = ("force_ratio", "alignment"), ("entropy", "dissipation", "regime:")


def _extent(column: np.ndarray) -> tuple[float, float]:
    known = column[~np.isnan(column)]
    return (float(known.min()), float(known.max())) if len(known) else (math.nan, math.nan)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _few(times: list[str], most: int = 3) -> str:
    return ", ".join(times[:most]) + (f" and {len(times) - most} more" if len(times) > most else "")
