"""The page of `python -m wgf.benchmarks.estimates`: coverage, bias and width of the error bars, law by law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...precision.words import table

Row = Mapping[str, Any]
ENOUGH = 0.9
"""The least coverage that counts as honest."""


def page(result: Mapping[str, Any]) -> str:
    """The whole page in Markdown, from the stored results."""
    rows: Sequence[Row] = result["rows"]
    records = [row for row in rows if row["quantity"] != "closure"]
    parts = [
        "# Estimates of entropy and dissipation, and their error bars",
        f"{result['date']}; wgf {result['wgf']}, torch {result['torch']}, numba {result['numba']}, numpy "
        f"{result['numpy']}. Written by `python -m wgf.benchmarks.estimates` in {result['seconds']} s; not edited by "
        "hand.",
        _verdict(records),
        METHOD.format(seeds=result["seeds"]),
    ]
    for kind, title in (("held out", "Laws held out"), ("chosen on", "Laws on which constants were chosen")):
        parts += [f"## {title}", _records([row for row in records if row["set"] == kind])]
    runs = [row for row in rows if row["quantity"] == "closure"]
    if runs:
        parts += ["## Closure of whole runs", CLOSURE.format(runs=result["runs"], n=runs[0]["n"]), _closures(runs)]
    return "\n\n".join(parts) + "\n"


METHOD = """The energy is V = |x|²/2 at T = 1. Each row has {seeds} records from n fresh particles. For D, bias, scatter
and bar are parts of D; for S they are in nats. The width is the mean bar divided by the root mean square of the error:
2 is ideal for a bar of two standard errors, and more is wider than needed. The bar covers the truth in so many of the
seeds. Bold: less than 90 %."""

CLOSURE = """{runs} runs of `Langevin` to t = 1 from n = {n} particles, dt = 0.005, records at every 5th step. The
truth is 0 up to the time step."""


def _verdict(rows: Sequence[Row]) -> str:
    lines = []
    for kind in ("held out", "chosen on"):
        for n in sorted({row["n"] for row in rows}):
            for quantity in "DS":
                some = [r for r in rows if (r["set"], r["n"], r["quantity"]) == (kind, n, quantity)]
                if not some:
                    continue
                honest = sum(row["coverage"] >= ENOUGH for row in some)
                mean = sum(row["coverage"] for row in some) / len(some)
                lines.append((kind, n, quantity, f"{honest} of {len(some)}", f"{mean:.0%}", f"{_typical(some):.1f}"))
    return table(("laws", "n", "", "covered in ≥ 90 % of seeds", "mean coverage", "median width"), lines)


def _width(row: Row) -> float:
    return float(row["bar"] / row["rms"])


def _typical(rows: Sequence[Row]) -> float:
    widths = sorted(map(_width, rows))
    return widths[len(widths) // 2]


def _covered(row: Row) -> str:
    return f"{row['coverage']:.0%}" if row["coverage"] >= ENOUGH else f"**{row['coverage']:.0%}**"


def _records(rows: Sequence[Row]) -> str:
    cells = []
    for rate, entropy in zip(rows[::2], rows[1::2], strict=True):
        of = rate["truth"] or 1.0
        relative = [f"{rate[key] / of:+.1%}" if key == "bias" else f"{rate[key] / of:.1%}" for key in KEYS]
        nats = [f"{entropy[key]:+.3f}" if key == "bias" else f"{entropy[key]:.3f}" for key in KEYS]
        cells.append(
            (rate["law"], rate["n"], f"{rate['truth']:.4g}", *relative, f"{_width(rate):.1f}", _covered(rate),
             *nats, f"{_width(entropy):.1f}", _covered(entropy))
        )  # fmt: skip
    head = (
        "law",
        "n",
        "D",
        "bias",
        "scatter",
        "bar",
        "width",
        "covered",
        "bias S",
        "scatter",
        "bar",
        "width",
        "covered",
    )
    return table(head, cells)


KEYS = ("bias", "scatter", "bar")


def _closures(rows: Sequence[Row]) -> str:
    cells = [(r["law"], *(f"{r[key]:.1%}" for key in KEYS), f"{_width(r):.1f}", _covered(r)) for r in rows]
    return table(("law", "mean", "scatter", "bar", "width", "covered"), cells)
