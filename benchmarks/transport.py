"""Transport: sliced W₂ and its gradient against POT and torch, sorting against numpy, multiscale Sinkhorn.

Run alone on an idle machine: `python benchmarks/transport.py`. Bodies are interleaved, once per round, and medians
kept; ratios count. Three rounds, as POT takes seconds.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import ot
import torch

import wgf
from wgf.ops.cpu import sorting


def medians(bodies: dict[str, Callable[[], object]], rounds: int = 3) -> dict[str, float]:
    """Median seconds of each body, all of them once per round, after a round of their own."""
    seconds: dict[str, list[float]] = {name: [] for name in bodies}
    for _ in range(rounds + 1):
        for name, body in bodies.items():
            start = time.perf_counter()
            body()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def clouds(n: int, d: int, dtype: torch.dtype) -> tuple[wgf.Ensemble, wgf.Ensemble]:
    """Two Gaussian clouds a unit apart, in the dtype given."""
    shift = torch.zeros(d, dtype=dtype)
    shift[0] = 1.0
    return wgf.Ensemble.gaussian(n, d, seed=1).to(dtype=dtype), wgf.Ensemble(
        wgf.Ensemble.gaussian(n, d, seed=2).x.to(dtype) + shift
    )


def torch_gradient(x: torch.Tensor, y: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """The gradient of ½ SW₂² by torch.sort and autograd."""
    leaf = x.clone().requires_grad_()
    value = 0.5 * ((leaf @ frames).sort(dim=0).values - (y @ frames).sort(dim=0).values).pow(2).sum() / len(frames.T)
    value.backward()
    return leaf.grad


def sliced(d: int, dtype: torch.dtype, n: int = 100_000, projections: int = 100) -> dict[str, float]:
    """Milliseconds of sliced W₂ and of its gradient, with ratios and errors."""
    mu, nu = clouds(n, d, dtype)
    frames = wgf.ops.directions(d, projections, 0)
    x, y, plain = mu.x.numpy(), nu.x.numpy(), frames.to(dtype)
    term = wgf.SlicedWasserstein(nu, projections)
    seconds = medians(
        {
            "value": lambda: wgf.SlicedWasserstein(nu, projections).value(mu),
            "value, target kept": lambda: term.value(mu),
            "value and gradient, target kept": lambda: term.evaluate(mu),
            "ot.sliced": lambda: ot.sliced_wasserstein_distance(x, y, projections=plain.numpy()),
            "torch sort and autograd": lambda: torch_gradient(mu.x, nu.x, plain),
        }
    )
    kept = seconds["value and gradient, target kept"]
    gradient, wanted = term.gradient(mu), torch_gradient(mu.x.double(), nu.x.double(), frames)
    rows = [(cloud.double() @ frames).sort(dim=0).values for cloud in (mu.x, nu.x)]
    exact = float((rows[0] - rows[1]).pow(2).mean()) / 2
    figures = {f"{name}, ms": 1e3 * s for name, s in seconds.items()} | {
        "ot.sliced / value": seconds["ot.sliced"] / seconds["value"],
        "gradient and value / value, target kept": kept / seconds["value, target kept"],
        "torch / value and gradient": seconds["torch sort and autograd"] / kept,
        "value, relative error": abs(float(term.value(mu)) / exact - 1),
        "gradient, relative error": float((gradient - wanted).norm() / wanted.norm()),
    }
    return {f"sliced n={n:.0e} d={d} {str(dtype)[6:]}, {name}": value for name, value in figures.items()}


def large(n: int = 1_000_000, projections: int = 100) -> dict[str, float]:
    """Seconds and peak memory (beside the particles) of a value and of a gradient at 10⁶ particles."""
    mu, nu = clouds(n, 2, torch.float64)
    term, few = wgf.SlicedWasserstein(nu, projections), wgf.SlicedWasserstein(nu.x[:20_000], projections)
    bodies = {
        "value": lambda: term.value(mu),
        "value and gradient": lambda: term.evaluate(mu),
        "gradient with 2·10⁴ samples": lambda: few.evaluate(mu),
    }
    figures = {f"sliced n={n:.0e} d=2 float64, {name}, s": s for name, s in medians(bodies).items()}
    for name, body in bodies.items():
        tracemalloc.start()
        body()
        figures[f"sliced n={n:.0e} d=2 float64, {name}, peak MiB"] = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    return figures


def sorts() -> dict[str, float]:
    """How many times faster one thread sorts a normal row than numpy does, and argsorts."""
    figures: dict[str, float] = {}
    for n in (1000, 100_000, 1_000_000):
        row = np.random.default_rng(0).normal(size=n)
        out, index, packed, counts = row.copy(), np.empty(n, np.uint32), np.empty(n, np.uint64), sorting.counters()

        def ours(row: np.ndarray = row, out: np.ndarray = out, counts: np.ndarray = counts) -> None:
            out[:] = row
            sorting.sort(out[None], np.empty_like(row), counts)

        seconds = medians(
            {
                "sort": ours,
                "np.sort": lambda row=row: np.sort(row),
                "order": lambda a=(row, out, index, packed, counts): sorting.order(*a),
                "np.argsort": lambda row=row: np.argsort(row),
            }
        )
        figures[f"n={n:.0e} float64, np.sort / sort"] = seconds["np.sort"] / seconds["sort"]
        figures[f"n={n:.0e} float64, np.argsort / order"] = seconds["np.argsort"] / seconds["order"]
    return figures


def multiscale() -> dict[str, float]:
    """Seconds of geomloss at 1 % of the diameter, and the distance that a translation should be: 1."""
    if not (find_spec("geomloss") and find_spec("pykeops")):
        return {}
    figures: dict[str, float] = {}
    for n in (5000, 10_000):
        mu, nu = clouds(n, 2, torch.float64)
        wgf.diagnostics.wasserstein(mu, nu, method="multiscale")
        result = wgf.diagnostics.wasserstein(mu, nu, method="multiscale")
        figures |= {f"multiscale n={n:.0e} d=2, s": result.seconds, f"multiscale n={n:.0e} d=2, W₂": result.distance}
        figures[f"sliced beside it n={n:.0e} d=2"] = wgf.diagnostics.wasserstein(mu, nu, method="sliced").distance
    return figures


def main() -> None:
    """Measure and print."""
    parts = [lambda d=d, dtype=dtype: sliced(d, dtype) for d in (2, 10) for dtype in (torch.float64, torch.float32)]
    for part in (sorts, *parts, large, multiscale):
        for name, value in part().items():
            print(f"{name:75} {value:10.4g}", flush=True)


if __name__ == "__main__":
    main()
