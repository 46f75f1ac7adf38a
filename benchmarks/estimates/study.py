"""Records and runs from particles of many laws, for many seeds: bias, scatter, error bar and coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .held_out import held_out
from .laws import LAWS, Law, closure, record

N_OF_RUNS = 20_000
"""Particles of the runs for the closure."""


def summary(found: np.ndarray, truth: float) -> dict[str, float]:
    """What estimates with bars (seeds, 2) say of a truth."""
    value, bar = found.T
    error = value - truth
    return {
        "truth": truth, "bias": float(error.mean()), "scatter": float(value.std(ddof=1)),
        "rms": float(np.sqrt((error**2).mean())), "bar": float(bar.mean()),
        "coverage": float((np.abs(error) <= bar).mean()),
    }  # fmt: skip


def measure(
    sizes: Sequence[int], seeds: int, runs: int, only: str = "", say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """Rows for every law and number of particles, one for D and one for S, and the closures of whole runs.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of particles n.
    seeds, runs : int
        Records for each law and n, and runs from each law on which constants were chosen; two or more (no runs: 0).
    only : str
        The laws whose name contains this text.
    say : callable
        Receives each row as text.

    Returns
    -------
    list of dict
        The rows: law, set, n, quantity, truth, bias, scatter, rms, bar, coverage.
    """
    rows: list[dict[str, Any]] = []

    def add(law: Law, kind: str, n: int, quantity: str, found: np.ndarray, truth: float) -> None:
        row = {"law": law.name, "set": kind, "n": n, "quantity": quantity} | summary(found, truth)
        rows.append(row)
        text = "{law:32} {n:6} {quantity:8} {truth:9.4f} bias {bias:+8.4f} scatter {scatter:7.4f} bar {bar:7.4f}"
        say(text.format(**row) + f" covered {row['coverage']:4.0%}")

    chosen = [(law, kind) for kind, laws in (("held out", held_out()), ("chosen on", LAWS)) for law in laws]
    chosen = [(law, kind) for law, kind in chosen if only in law.name]
    for law, kind in chosen:
        for n in sizes:
            found = np.array([record(law, n, seed) for seed in range(seeds)])
            add(law, kind, n, "D", found[:, :2], law.dissipation)
            add(law, kind, n, "S", found[:, 2:], law.entropy)
    for law, kind in chosen:
        if runs and kind == "chosen on":
            found = np.array([closure(law, N_OF_RUNS, seed) for seed in range(runs)])
            add(law, kind, N_OF_RUNS, "closure", found, 0.0)
    return rows
