"""What sums cost: a table of measured constants, in nanoseconds, from which "auto" predicts the time of each method.

    dense     pairs · dense[family][dtype][d], or of "<dtype> once" where particles meet themselves, each pair once
    sorting   sort · N log₂N + scan · N · terms, with N the points to be sorted
    fourier   fixed + (point + spread · w^d) · transforms of points / threads at work
              + grid · G log₂G · transforms · chunks / threads at work + mode · modes

with w the width of the window of a transform and G its fine grid. The table that comes with the package was measured
on the machine that it names. `wgf tune` measures one here; it is used only where a user names it, so that no result
depends on a timing.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..kernels import Kernel, KernelSum

FORMAT = "wgf-costs-2"
FOURIER = ("fixed", "point", "spread", "grid", "mode")
DENSE = ("float64", "float32", "float64 once", "float32 once")
_UNKNOWN = "RadialKernel"  # stands for kernels of the user's own


@dataclass(frozen=True)
class FourierWork:
    """What a Fourier sum has to do: points times transforms, the width of a window, points of a grid, and so on."""

    points: int
    width: int
    grid: int
    transforms: int
    chunks: int
    modes: int

    def features(self, dim: int, threads: int) -> tuple[float, ...]:
        """Multiples of the constants `FOURIER` that add up to the time."""
        at_work = min(threads, self.chunks)
        grids = self.transforms * math.ceil(self.chunks / threads)
        fft = self.grid * max(math.log2(self.grid), 1.0)
        return 1.0, self.points / at_work, self.points * self.width**dim / at_work, grids * fft, float(self.modes)


@dataclass(frozen=True)
class Costs:
    """A table of costs; `source` says where it came from, `machine` where it was measured."""

    dense: Mapping[str, Mapping[str, tuple[float, ...]]]
    sorting: Mapping[str, float]
    fourier: Mapping[str, Mapping[str, float]]
    threads: int
    machine: Mapping[str, Any]
    source: str = "given"

    def pairs(self, kernel: Kernel, dtype: str, dim: int, m: int, n: int, once: bool = False) -> float:
        """Predicted nanoseconds of a dense sum of m × n pairs in d ≤ 3 dimensions; `once`: each is visited once."""
        if isinstance(kernel, KernelSum):
            return sum(self.pairs(part, dtype, dim, m, n, once) for _, part in kernel.parts)
        way = f"{dtype} once" if once else dtype
        return m * n * self.dense.get(kernel.family, self.dense[_UNKNOWN])[way][dim - 1]

    def sort(self, points: int, terms: int) -> float:
        """Predicted nanoseconds of a sum by sorting."""
        return points * (self.sorting["sort"] * math.log2(points + 1) + self.sorting["scan"] * terms)

    def transform(self, dim: int, work: FourierWork) -> float:
        """Predicted nanoseconds of a Fourier sum."""
        constants = self.fourier[str(dim)]
        return sum(constants[n] * f for n, f in zip(FOURIER, work.features(dim, self.threads), strict=True))

    def as_json(self) -> str:
        """The table as `load_costs` reads it."""
        table = {k: v for k, v in asdict(self).items() if k != "source"}
        return json.dumps({"format": FORMAT, "unit": "nanoseconds"} | table, indent=1) + "\n"


def load_costs(path: str | os.PathLike[str]) -> Costs:
    """Read a table that `wgf tune` wrote; ConfigError where it is none."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"costs: {path} cannot be read ({error}); `wgf tune` writes such a table.") from None
    return _parse(text, str(path))


@cache
def default_costs() -> Costs:
    """The table that comes with the package."""
    return _parse(Path(__file__).with_name("costs.json").read_text(encoding="utf-8"), "the table of the package")


def _parse(text: str, source: str) -> Costs:
    try:
        table = json.loads(text)
        if table.pop("format") != FORMAT or table.pop("unit") != "nanoseconds":
            raise ValueError(f"not of format {FORMAT}")
        table["dense"] = {
            family: {dtype: tuple(map(float, by_dim)) for dtype, by_dim in rows.items()}
            for family, rows in table["dense"].items()
        }
        costs = Costs(**table, source=source)
        _require_positive(costs)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"costs: {source} is no table of costs ({error}); `wgf tune` writes one.") from None
    return costs


def _require_positive(costs: Costs) -> None:
    """Every constant that may be asked for is there and is a number ≥ 0."""
    numbers = [costs.sorting["sort"], costs.sorting["scan"], costs.threads - 1.0]
    numbers += [costs.fourier[str(d)][name] for d in (1, 2, 3) for name in FOURIER]
    for rows in (costs.dense[_UNKNOWN], *costs.dense.values()):
        numbers += [rows[dtype][d] for dtype in DENSE for d in range(3)]
    if not all(isinstance(n, int | float) and 0.0 <= n < math.inf for n in numbers):
        raise ValueError("a constant is negative or not finite")
