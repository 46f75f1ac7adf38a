"""Near-linear sums over pairs: time and error of a force at large n, and how well "auto" chooses the method.

    python benchmarks/kernels/near_linear.py         prints the results

A force is value and gradient at all particles, including planning and the check of the error. The kernel is a Gaussian
with h = ½ on points of N(0, I) in float64, to a relative error of 1e-6. Times are medians after one uncounted call.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import wgf
from wgf import kernels
from wgf.summation import Costs, Sums, default_costs, relative_error

RTOL = 1e-6


def median(body: Callable[[], object], repeats: int) -> float:
    """Median seconds of `repeats` calls, after one uncounted call."""
    body()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def error(mu: wgf.Ensemble, kernel: kernels.Kernel, method: str, rtol: float = RTOL) -> float:
    """Relative error at 256 particles, compared with the sum over all pairs in float64."""
    value, gradient = mu.kernel_sums(kernel, None, None, method, rtol)
    rows, want, slope = Sums(kernel, mu.x, mu.x, mu.weights, True).some(256)
    return relative_error(value[rows], want, gradient[rows].double(), slope)


def forces(sizes: tuple[int, ...] = (10**5, 10**6), repeats: int = 5) -> dict[str, float]:
    """Seconds per force by Fourier transforms in 1 to 3 dimensions, their growth with n, errors, and peak memory."""
    figures: dict[str, float] = {}
    kernel = kernels.Gaussian(0.5)
    for d in (1, 2, 3):
        for n in sizes:
            mu = wgf.Ensemble.gaussian(n, d)
            name = f"fourier d{d} n {n:.0e}"
            figures[f"{name}, s"] = median(partial(mu.kernel_sums, kernel, None, None, "fourier", RTOL), repeats)
            figures[f"{name}, error"] = error(mu, kernel, "fourier")
        for small, large in pairwise(sizes):
            ratio = figures[f"fourier d{d} n {large:.0e}, s"] / figures[f"fourier d{d} n {small:.0e}, s"]
            figures[f"fourier d{d} time {large:.0e} : {small:.0e}"] = ratio
    figures["peak memory of the process, GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return figures


def lines(sizes: tuple[int, ...] = (10**5, 10**6), repeats: int = 5) -> dict[str, float]:
    """Seconds per force by sorting in one dimension, and errors."""
    figures: dict[str, float] = {}
    for n in sizes:
        mu = wgf.Ensemble.gaussian(n, 1)
        for kernel in (kernels.Laplace(0.5), kernels.Morse(1.0, 0.5, 0.5, 2.0), kernels.Newtonian(1)):
            name = f"sorting {type(kernel).__name__} n {n:.0e}"
            figures[f"{name}, s"] = median(partial(mu.kernel_sums, kernel, None, None, "sorting"), repeats)
            figures[f"{name}, error"] = error(mu, kernel, "sorting")
    return figures


def auto_choice(
    costs: Costs | None = None, dims: tuple[int, ...] = (1, 2, 3), sizes: tuple[int, ...] = (1000, 3000, 10_000)
) -> dict[str, float]:
    """The time of "auto" over that of the fastest method, on a grid of n, d, h and rtol; 1 is a perfect choice."""
    costs = costs or default_costs()
    figures: dict[str, float] = {}
    for d in dims:
        for n in sizes:
            mu = wgf.Ensemble.gaussian(n, d)
            for h in (0.1, 0.5, 2.0):
                for rtol in (1e-3, 1e-6, 1e-9):
                    for kernel in (kernels.Gaussian(h), kernels.Matern(2.5, h)):
                        name = f"auto / best, {kernel.family} d{d} n {n} h {h} rtol {rtol:g}"
                        figures[name] = _against_best(mu, kernel, rtol, costs)
    figures["auto / best, worst of the grid"] = max(figures.values())
    return figures


def _against_best(mu: wgf.Ensemble, kernel: kernels.Kernel, rtol: float, costs: Costs) -> float:
    """The ratio for one setting. All methods run once per round, so that a disturbance of the machine affects all."""

    def force(method: str) -> Callable[[], object]:
        return lambda: mu.kernel_sums(kernel, None, None, method, rtol, costs)

    bodies, first = {"auto": force("auto")}, {}
    for method in ("dense", "fourier", "sorting"):
        try:
            force(method)()
            start = time.perf_counter()
            force(method)()
        except wgf.errors.WgfError:
            continue
        first[method] = time.perf_counter() - start
    # a method that is far slower cannot be the best and is not timed again
    bodies |= {method: force(method) for method, seconds in first.items() if seconds < 4 * min(first.values())}
    seconds: dict[str, list[float]] = {name: [] for name in bodies}
    for _ in range(5):
        for name, body in bodies.items():
            start = time.perf_counter()
            body()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return medians.pop("auto") / min(medians.values())


def main() -> None:
    """Measure everything and print it."""
    for figures in (forces, lines, auto_choice):
        for name, value in figures().items():
            print(f"{name:60} {value:10.3g}", flush=True)


if __name__ == "__main__":
    main()
