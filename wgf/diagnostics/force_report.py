"""The force report: whether the entropy of a run acted, within which bounds, and when not (docs/theory.md §5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from ..errors import ConfigError, require_number
from ..ledger import Ledger
from .regimes import REGIMES, Span, Thresholds, runs_of, unstable, variation

COLUMNS = ("t", "loss_force", "information_force", "force_ratio", "alignment", "entropy_production")
"""What a ledger must have; `reference_alignment` is asked where it is there."""

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
"""The quantities of the table, by the names of `to_dict`."""


class Index(Protocol):
    """What the report needs of a collapse index: c(t) at some times, as arrays (k,)."""

    @property
    def t(self) -> np.ndarray: ...

    @property
    def index(self) -> np.ndarray: ...


class HasLedger(Protocol):
    """A solution, or whatever else carries a ledger."""

    @property
    def ledger(self) -> Ledger: ...


@dataclass(frozen=True, eq=False)
class ForceReport:
    """What `force_report` found.

    `columns` has the quantities by the names of MEANING, arrays (k,) at the times `t` (the collapse index at its own),
    and `unknown` says for each that is NaN somewhere how often and why. `c0`, `c1` are the least and the largest I/G of
    the run, `effective` is whether they bound it away from 0 and from infinity, `spans` the degenerate regimes in order
    of time within each.
    """

    t: np.ndarray
    columns: Mapping[str, np.ndarray]
    window: float
    thresholds: Thresholds
    spans: tuple[Span, ...]
    unknown: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)

    def bounds(self, tau: float | None = None) -> tuple[float, float]:
        """(c₀, c₁) on the records of [0, τ], by default the whole run; c₁ = inf where G = 0, NaN where none is known.

        Raises ConfigError for a τ before the first record.
        """
        return _extent(self._until(tau))

    def is_effective(self, tau: float | None = None) -> bool:
        """Whether I/G is known at every record of [0, τ], never weak and never infinite."""
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
        """Whether c₀ ≤ I/G ≤ c₁ throughout the run with c₀ at least the weak threshold and c₁ finite."""
        return self.is_effective()

    def of(self, regime: str) -> tuple[Span, ...]:
        """The spans of one regime: "weak", "unstable", "misaligned" or "collapsed"."""
        if regime not in REGIMES:
            raise ConfigError(f"regime = {regime!r}: wanted one of {', '.join(REGIMES)}.")
        return tuple(span for span in self.spans if span.regime == regime)

    @property
    def verdict(self) -> str:
        """One line: effective with (c₀, c₁) or why not, and which regime when."""
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
        """The table: a quantity, its start, its end, its least and its largest value, as text; a dash where unknown."""
        found = []
        for name, column in self.columns.items():
            ends = (column[0], column[-1], *_extent(column))
            found.append((MEANING[name], *("–" if math.isnan(x) else f"{x:.4g}" for x in ends)))
        return found

    def remarks(self) -> list[str]:
        """What belongs under the table: the regimes with their thresholds, and what is not known."""
        regimes = [str(span) for span in self.spans] or ["no degenerate regime"]
        missing = [f"{MEANING[name]} not known {why}" for name, why in self.unknown.items()]
        return [*regimes, *missing]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON has it: numbers, text, lists; None for what is not finite."""
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

    In L²(μ_t):  G = ‖∇_W E‖,  I = T‖∇_W S‖,  r = I/G,  effective on [0, τ] if  c₀ ≤ r ≤ c₁  with c₀ > 0, which here
    means r ≥ `thresholds.weak` at every record. Regimes: **weak** (r below its threshold), **unstable** (I rises with
    r > 1 throughout a window, or varies too much in one), **misaligned** (the cosine of ∇S and the force of log-det is
    negative), **collapsed** (with `collapse`: the run can hardly be told from the one without entropy).

    Parameters
    ----------
    source : a Ledger with the columns `COLUMNS`, one row per record, or what carries one, such as a Solution.
    window : length of the moving window in the units of t; by default `thresholds.window` of the run.
    thresholds : where each regime begins.
    collapse : the result of `wgf.collapse_index`, or any object with arrays `t` and `index`.

    Spans begin and end at records: what happens between two is not known. A regime needs a known value; where one is
    NaN, `unknown` says why. Raises ConfigError for a ledger that is empty or lacks a column, a t that does not rise, a
    window that is not positive or longer than the run.

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
    kept = {name: note for name, note in ledger.notes.items() if name in MEANING or name in ("entropy", "dissipation")}
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
    """r = I/G, infinite where a force meets no loss force; the ledger leaves that NaN."""
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


_QUOTIENTS = ("force_ratio", "alignment")


def _extent(column: np.ndarray) -> tuple[float, float]:
    known = column[~np.isnan(column)]
    return (float(known.min()), float(known.max())) if len(known) else (math.nan, math.nan)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _few(times: list[str], most: int = 3) -> str:
    return ", ".join(times[:most]) + (f" and {len(times) - most} more" if len(times) > most else "")
