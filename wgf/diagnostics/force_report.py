"""The force report: how strong the information force of a run was, and when it was degenerate (docs/theory.md §5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..errors import ConfigError, require_number
from ..ledger import Ledger
from .force_table import MEANING, ForceReport
from .regimes import Thresholds, runs_of, unstable, variation

COLUMNS = ("t", "loss_force", "information_force", "force_ratio", "alignment", "entropy_production")
"""The columns that a ledger must have. `reference_alignment` is optional: without it nothing is called misaligned."""


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

    See Also
    --------
    wgf.Softmax, wgf.LogDet, wgf.SpectralEntropy, wgf.drives.Controller

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
