"""Ledgers of small runs and of given columns, for tests of what is read off a ledger."""

from __future__ import annotations

import numpy as np
from wgf.solvers import Heun

import wgf
from wgf.diagnostics import Ledger

K, T = 1.3, 0.4


def start(n=60, d=3, seed=1):
    """Correlated, off centre."""
    mixing = np.random.default_rng(seed).normal(size=(d, d))
    return wgf.Ensemble.gaussian(n, d, mean=0.5, cov=mixing @ mixing.T + 0.3 * np.eye(d), seed=seed)


def solve(F, mu=None, solver=None, dt=0.05, t_end=1.0, **options):
    return wgf.solve(F, start() if mu is None else mu, solver or Heun(), dt=dt, t_end=t_end, **options)


def book(**columns):
    """A ledger of the columns given; the others hold what a healthy run has."""
    rows = len(next(iter(columns.values())))
    healthy = {"loss_force": 1.0, "information_force": 0.5, "alignment": -0.5, "entropy_production": 0.1,
               "reference_alignment": 0.9}  # fmt: skip
    table = {"t": np.arange(rows, dtype=float)} | {name: np.full(rows, x) for name, x in healthy.items()}
    table |= {name: np.asarray(x, dtype=float) for name, x in columns.items()}
    if "force_ratio" not in table:
        table["force_ratio"] = table["information_force"] / table["loss_force"]
    ledger = Ledger()
    for k in range(rows):
        ledger.append({name: column[k] for name, column in table.items()})
    return ledger


def ends(report, regime):
    return [(span.start, span.end) for span in report.of(regime)]
