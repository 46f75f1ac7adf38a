"""`wgf bench noise`: statistical tests of 10⁹ random normals in float64 and in float32.

They use two seeds, ten steps around the overflow of the low word of the step counter, and particle ids from far apart
parts of their range. The numbers are made and counted block by block, so memory holds only a few blocks.
"""

from __future__ import annotations

import datetime
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from scipy import special, stats

import wgf

from ..ops.cpu.jit import compiled
from ..runs import store
from .frame.case import power
from .frame.facts import machine_facts, machine_name
from .frame.page import table

SEEDS = (20260101, 20260102)
STEPS = range(2**32 - 5, 2**32 + 5)
BLOCKS, PARTICLES, DIM = 5, 1_000_000, 10
APART = 2**41 + 12_345  # distance of ids from block to block; large, so that both words of the id are tested
ALARM = 1e-6
"""A p-value below this is a fault. With about fifty statistics a perfect generator fails once in 2·10⁴ calls."""

REACH, PER_UNIT = 10, 1024  # the histogram covers ±10 in bins of 1/1024; the outermost bins also hold what is outside


@compiled
def _count(z: Any, bins: Any, low: float, scale: float) -> None:
    last = bins.size - 1
    for i in range(z.size):
        bins[max(0, min(last, int((z[i] - low) * scale)))] += 1


@compiled(sums=True)
def _powers(z: Any) -> Any:
    a = b = c = e = 0.0
    for i in range(z.size):
        q = z[i] * z[i]
        a += z[i]
        b += q
        c += z[i] * q
        e += q * q
    return a, b, c, e


@compiled(sums=True)
def _products(x: Any, y: Any) -> Any:
    """Σ xy and Σ (x² − 1)(y² − 1) over two arrays (n, k)."""
    a = b = 0.0
    for i in range(x.shape[0]):
        u, v = x[i], y[i]
        for j in range(u.size):
            a += u[j] * v[j]
            b += (u[j] * u[j] - 1.0) * (v[j] * v[j] - 1.0)
    return a, b


@dataclass
class Tally:
    """Running sums over the numbers seen: count, powers, histogram, largest modulus, and products of pairs."""

    count: int = 0
    powers: np.ndarray = field(default_factory=lambda: np.zeros(4))
    bins: np.ndarray = field(default_factory=lambda: np.zeros(2 * REACH * PER_UNIT, np.int64))
    largest: float = 0.0
    pairs: dict[str, np.ndarray] = field(default_factory=dict)
    """By kind of pair: Σ xy, Σ (x² − 1)(y² − 1), number of pairs."""

    def add(self, z: np.ndarray) -> None:
        """Add a block (n, d) of one step and seed, with the pairs inside it."""
        flat = z.reshape(-1)
        self.count += flat.size
        self.powers += _powers(flat)
        _count(flat, self.bins, -float(REACH), float(PER_UNIT))
        self.largest = max(self.largest, float(z.max()), -float(z.min()))
        self.pair("one draw's two normals (components 2k, 2k+1)", z[:, 0::2], z[:, 1::2])
        self.pair("next draw (components 2k+1, 2k+2)", z[:, 1:-1:2], z[:, 2::2])
        self.pair("next particle", z[:-1], z[1:])
        self.pair("64 particles on", z[:-64], z[64:])

    def pair(self, kind: str, x: np.ndarray, y: np.ndarray) -> None:
        """Add two arrays of equal shape whose entries should be independent."""
        self.pairs[kind] = self.pairs.get(kind, np.zeros(3)) + np.array([*_products(x, y), x.size])


Row = tuple[str, str, str, float]


def statistics(tally: Tally) -> list[Row]:
    """All statistics as rows (name, seen, expected, two-sided p-value)."""
    n = tally.count
    rows: list[Row] = []
    for degree, (mean, variance) in enumerate([(0, 1), (1, 2), (0, 15), (3, 96)]):
        seen, error = tally.powers[degree] / n, math.sqrt(variance / n)
        p = float(special.erfc(abs(seen - mean) / error / math.sqrt(2)))
        rows.append((f"mean of z{('', '²', '³', '⁴')[degree]}", f"{seen:.7f}", f"{mean} ± {error:.1e}", p))
    edges = -REACH + np.arange(1, len(tally.bins)) / PER_UNIT
    distance = float(np.abs(np.cumsum(tally.bins)[:-1] / n - special.ndtr(edges)).max())
    p = float(special.kolmogorov(math.sqrt(n) * distance))
    rows.append((f"Kolmogorov–Smirnov distance at {len(edges)} points", f"{distance:.2e}", f"≲ {1.36 / n**0.5:.1e}", p))
    for limit in (3, 4, 5, 6):
        inside = slice((REACH - limit) * PER_UNIT, (REACH + limit) * PER_UNIT)
        beyond, expected = n - int(tally.bins[inside].sum()), 2 * n * float(special.ndtr(-limit))
        law = stats.poisson(expected) if expected < 1e4 else stats.norm(expected, math.sqrt(expected))
        p = min(1.0, 2 * float(min(law.cdf(beyond), law.sf(beyond - 1))))
        rows.append((f"numbers beyond {limit}σ", f"{beyond}", f"{expected:.5g}", p))
    below = math.exp(n * math.log1p(-2 * float(special.ndtr(-tally.largest))))
    middle = float(-special.ndtri(-math.expm1(math.log(0.5) / n) / 2))
    rows.append(
        ("largest in modulus", f"{tally.largest:.3f}", f"{middle:.2f} in the median", 2 * min(below, 1 - below))
    )
    for kind, (product, squares, count) in tally.pairs.items():
        for name, value in (("", product), (", squares", squares / 2)):  # Var (z² − 1) = 2
            sigmas = value / math.sqrt(count)
            p = float(special.erfc(abs(sigmas) / math.sqrt(2)))
            rows.append((f"correlation: {kind}{name}", f"{value / count:.2e}", f"0 ± {1 / math.sqrt(count):.1e}", p))
    return rows


def collect(particles: int, dtype: str) -> Tally:
    """Draw all numbers in "float64" or "float32" and return their tally."""
    tally = Tally()
    for block in track(range(BLOCKS), description=f"{dtype} normals", transient=True):
        ids = torch.arange(particles) + block * APART
        before: dict[int, np.ndarray] = {}
        for step in STEPS:
            now = {seed: wgf.Noise(seed).normal(ids, step, DIM, dtype=dtype).numpy() for seed in SEEDS}
            for seed, z in now.items():
                tally.add(z)
                if seed in before:
                    tally.pair("next step", before[seed], z)
            tally.pair("next seed", *now.values())
            before = now
    return tally


def run(folder: Path, *, quick: bool = False) -> Path:
    """Draw 10⁹ numbers in each dtype (10⁷ if `quick`), test them, and write a JSON file and a page in `folder`.

    Returns the path of the page.
    """
    start = time.monotonic()
    tallies = {dtype: collect(PARTICLES // 100 if quick else PARTICLES, dtype) for dtype in ("float64", "float32")}
    results = {dtype: statistics(tally) for dtype, tally in tallies.items()}
    count, took = tallies["float64"].count, time.monotonic() - start
    name = f"noise-{machine_name()}-quick" if quick else f"noise-{machine_name()}"
    target = folder / (f"{name}.md" if quick else "noise.md")
    folder.mkdir(parents=True, exist_ok=True)
    keys = ("statistic", "seen", "expected", "p")
    entries = {dtype: [dict(zip(keys, row, strict=True)) for row in rows] for dtype, rows in results.items()}
    content = {"date": datetime.date.today().isoformat(), "numbers": count, "seconds": took, "statistics": entries}
    store.write_json(folder / f"{name}.json", content | machine_facts())
    target.write_text(_page(results, count, took), encoding="utf-8")
    return target


def _page(results: dict[str, list[Row]], count: int, took: float) -> str:
    whole = [row for rows in results.values() for row in rows]
    faults = sum(not row[3] >= ALARM for row in whole)
    verdict = f"{faults} of {len(whole)} statistics are not" if faults else f"All {len(whole)} statistics are"
    parts = [
        f"# {power(count)} random normals in each dtype",
        f"**{verdict} what independent normals give.** A p-value below {ALARM:.0e} counts as a fault. Seeds {SEEDS[0]} "
        f"and {SEEDS[1]}, steps {STEPS[0]} to {STEPS[-1]}, {BLOCKS} blocks of particles {APART} apart, {DIM} "
        f"components; {took:.0f} s on {store.cpu()}. Written by `wgf bench noise`.",
    ]
    for dtype, rows in results.items():
        cells = [("✅" if row[3] >= ALARM else "❌", *row[:3], f"{row[3]:.2g}") for row in rows]
        parts += [f"## {dtype}", table(("", "statistic", "seen", "expected", "p"), cells)]
    return "\n\n".join(parts) + "\n"
