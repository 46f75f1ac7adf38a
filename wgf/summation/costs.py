"""A table of measured constants, in nanoseconds, from which "auto" predicts the time of each way of summing.

    dense     pairs · dense[family][dtype][d]
    sorting   sort · N log₂N + scan · N · terms
    fourier   fixed + (point + spread · w^d) · transforms of points / threads at work
              + grid · G log₂G · transforms · chunks / threads at work + mode · modes

Here N is the number of points to sort, w the width of the window of a transform, and G the number of points of its
fine grid. A dense sum of particles with themselves has the key "<dtype> once": it visits each pair once.

The package comes with a table; it names the machine on which it was measured. `wgf tune` measures one on this machine.
That is used only where the user passes it, so that no result depends on a timing.
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
from ..storage import seal, unseal

FORMAT, OLD_FORMAT = "wgf-costs-3", "wgf-costs-2"  # the old one, of wgf 0.1.0, has no checksum
"""The version of the file format of a table."""
FOURIER = ("fixed", "point", "spread", "grid", "mode")
DENSE = ("float64", "float32", "float64 once", "float32 once")
_UNKNOWN = "RadialKernel"  # the row for kernels without a row of their own


@dataclass(frozen=True)
class FourierWork:
    """The size of the work of one Fourier sum.

    Attributes
    ----------
    points : int
        Points times transforms.
    width : int
        Width of the window of a transform, in points of its grid along one axis.
    grid : int
        Points of the fine grid.
    transforms : int
        Number of transforms.
    chunks : int
        Chunks into which the particles are cut.
    modes : int
        Fourier modes, over all axes.
    """

    points: int
    width: int
    grid: int
    transforms: int
    chunks: int
    modes: int

    def features(self, dim: int, threads: int) -> tuple[float, ...]:
        """The factors of the five constants `FOURIER`; the time is the sum of constant times factor.

        Parameters
        ----------
        dim : int
            Dimension of the particles, 1 to 3.
        threads : int
            Threads that share the work.

        Returns
        -------
        tuple of float
            The five factors.
        """
        at_work = min(threads, self.chunks)
        grids = self.transforms * math.ceil(self.chunks / threads)
        fft = self.grid * max(math.log2(self.grid), 1.0)
        return 1.0, self.points / at_work, self.points * self.width**dim / at_work, grids * fft, float(self.modes)


@dataclass(frozen=True)
class Costs:
    """A table of costs, in nanoseconds.

    Attributes
    ----------
    dense : mapping
        By family of kernel and dtype, the time of one pair in 1, 2 and 3 dimensions.
    sorting : mapping
        The constants "sort" and "scan".
    fourier : mapping
        By dimension ("1", "2", "3"), the constants named in `FOURIER`.
    threads : int
        Threads that were at work when the table was measured.
    machine : mapping
        A description of the machine.
    source : str, default "given"
        Where the table comes from, for messages.

    Examples
    --------
    >>> from wgf.kernels import Gaussian
    >>> from wgf.summation import default_costs
    >>> costs = default_costs()
    >>> costs.pairs(Gaussian(1.0), "float64", 2, 1000, 1000) > 0.0
    True
    """

    dense: Mapping[str, Mapping[str, tuple[float, ...]]]
    sorting: Mapping[str, float]
    fourier: Mapping[str, Mapping[str, float]]
    threads: int
    machine: Mapping[str, Any]
    source: str = "given"

    def pairs(self, kernel: Kernel, dtype: str, dim: int, m: int, n: int, once: bool = False) -> float:
        """Predict the time of a sum over all pairs.

        Parameters
        ----------
        kernel : Kernel
            The kernel; the parts of a sum of kernels are added.
        dtype : {"float32", "float64"}
            Dtype of the particles.
        dim : int
            Dimension d, 1 to 3.
        m, n : int
            Number of points and of particles.
        once : bool, default False
            Whether the sum visits each pair of particles once.

        Returns
        -------
        float
            Nanoseconds.
        """
        if isinstance(kernel, KernelSum):
            return sum(self.pairs(part, dtype, dim, m, n, once) for _, part in kernel.parts)
        way = f"{dtype} once" if once else dtype
        return m * n * self.dense.get(kernel.family, self.dense[_UNKNOWN])[way][dim - 1]

    def sort(self, points: int, terms: int) -> float:
        """Predict the time of a sum by sorting.

        Parameters
        ----------
        points : int
            Points to be sorted.
        terms : int
            Exponential terms of the kernel.

        Returns
        -------
        float
            Nanoseconds.
        """
        return points * (self.sorting["sort"] * math.log2(points + 1) + self.sorting["scan"] * terms)

    def transform(self, dim: int, work: FourierWork) -> float:
        """Predict the time of a Fourier sum.

        Parameters
        ----------
        dim : int
            Dimension of the particles, 1 to 3.
        work : FourierWork
            The size of the work.

        Returns
        -------
        float
            Nanoseconds.
        """
        constants = self.fourier[str(dim)]
        return sum(constants[n] * f for n, f in zip(FOURIER, work.features(dim, self.threads), strict=True))

    def as_json(self) -> str:
        """The table as JSON text, which `load_costs` reads."""
        table = {k: v for k, v in asdict(self).items() if k != "source"}
        return seal({"unit": "nanoseconds"} | table, FORMAT, indent=1)


def load_costs(path: str | os.PathLike[str]) -> Costs:
    """Read a table that `wgf tune` has written.

    Parameters
    ----------
    path : str or path
        The JSON file.

    Returns
    -------
    Costs
        The table; its `source` is the path.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is not such a table.
    CheckpointError
        If the file is damaged: its checksum or its format is not as it should be.
    """
    try:
        raw = Path(path).read_bytes()
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(f"costs: {path} cannot be read ({error}); `wgf tune` writes such a table.") from None
    return _parse(raw, str(path))


@cache
def default_costs() -> Costs:
    """The table of costs that comes with the package."""
    return _parse(Path(__file__).with_name("costs.json").read_bytes(), "the table of the package")


def _parse(raw: bytes, source: str) -> Costs:
    """A table from JSON text; ConfigError if it is none, CheckpointError if it is damaged."""
    try:
        table = json.loads(raw)
        form, _ = table.pop("format"), table.pop("sha256", None)
        if form not in (FORMAT, OLD_FORMAT):
            raise ValueError(f"not of format {FORMAT}")
        if table.pop("unit") != "nanoseconds":
            raise ValueError("not in nanoseconds")
        table["dense"] = {
            family: {dtype: tuple(map(float, by_dim)) for dtype, by_dim in rows.items()}
            for family, rows in table["dense"].items()
        }
        costs = Costs(**table, source=source)
        _require_positive(costs)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise ConfigError(f"costs: {source} is no table of costs ({error}); `wgf tune` writes one.") from None
    unseal(raw, source, FORMAT, OLD_FORMAT)  # after the content, so that what is wrong with it is said first
    return costs


def _require_positive(costs: Costs) -> None:
    """Check that every constant that may be needed is there and is a finite number ≥ 0; ValueError if not."""
    numbers = [costs.sorting["sort"], costs.sorting["scan"], costs.threads - 1.0]
    numbers += [costs.fourier[str(d)][name] for d in (1, 2, 3) for name in FOURIER]
    for rows in (costs.dense[_UNKNOWN], *costs.dense.values()):
        numbers += [rows[dtype][d] for dtype in DENSE for d in range(3)]
    if not all(isinstance(n, int | float) and 0.0 <= n < math.inf for n in numbers):
        raise ValueError("a constant is negative or not finite")
