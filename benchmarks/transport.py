"""Transport: sliced W₂ and its gradient against POT and torch, sorting against numpy, multiscale Sinkhorn. Ratios count.

Run alone on an idle machine: `python benchmarks/transport.py`. Bodies are interleaved, once per round, and medians kept.
"""

from __future__ import annotations

import tracemalloc
from importlib.util import find_spec

import numpy as np
import ot
import torch
from baseline import medians

import wgf
from wgf.ops.cpu import sorting


def clouds(n: int, d: int, dtype: torch.dtype) -> tuple[wgf.Ensemble, wgf.Ensemble]:
    """Two Gaussian clouds a unit apart, in the dtype given."""
    shift = torch.zeros(d, dtype=dtype)
    shift[0] = 1.0
    return wgf.Ensemble.gaussian(n, d, seed=1).to(dtype=dtype), wgf.Ensemble(
        wgf.Ensemble.gaussian(n, d, seed=2).x.to(dtype) + shift
    )


def torch_value_and_gradient(x: torch.Tensor, y: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """½ SW₂² by torch.sort, and its gradient by autograd."""
    leaf = x.clone().requires_grad_()
    value = 0.5 * (((leaf @ frames).sort(dim=0).values - (y @ frames).sort(dim=0).values) ** 2).mean()
    value.backward()
    return leaf.grad * len(x)


def sliced(n: int = 100_000, projections: int = 100) -> dict[str, float]:
    """Milliseconds of sliced W₂ and of its gradient, with ratios and errors."""
    figures: dict[str, float] = {}
    for d in (2, 10):
        for dtype in (torch.float64, torch.float32):
            mu, nu = clouds(n, d, dtype)
            frames = wgf.ops.directions(d, projections, 0)
            plain = frames.to(dtype)
            term, fresh = wgf.SlicedWasserstein(nu, projections), wgf.SlicedWasserstein(nu, projections)

            def value(fresh: wgf.SlicedWasserstein = fresh, mu: wgf.Ensemble = mu) -> float:
                vars(fresh).pop("_slices", None)  # the target is sorted too
                return float(fresh.value(mu))

            def pot(mu: wgf.Ensemble = mu, nu: wgf.Ensemble = nu, plain: torch.Tensor = plain) -> float:
                return ot.sliced_wasserstein_distance(mu.x.numpy(), nu.x.numpy(), projections=plain.numpy())

            seconds = medians(
                {
                    "value": value,
                    "value, target kept": lambda term=term, mu=mu: term.value(mu),
                    "value and gradient, target kept": lambda term=term, mu=mu: term.evaluate(mu),
                    "ot.sliced": pot,
                    "torch sort and autograd": lambda mu=mu, nu=nu, plain=plain: torch_value_and_gradient(
                        mu.x, nu.x, plain
                    ),
                }
            )
            case = f"sliced n={n:.0e} d={d} {str(dtype)[6:]}"
            figures |= {f"{case}, {name}, ms": 1e3 * s for name, s in seconds.items()}
            figures[f"{case}, ot.sliced / value"] = seconds["ot.sliced"] / seconds["value"]
            kept = seconds["value and gradient, target kept"]
            figures[f"{case}, gradient / value, target kept"] = kept / seconds["value, target kept"]
            figures[f"{case}, torch / value and gradient"] = seconds["torch sort and autograd"] / kept
            exact = term.gradient(mu.to(dtype="float64"))
            wanted = torch_value_and_gradient(mu.x.double(), nu.x.double(), frames)
            figures[f"{case}, value, relative error"] = abs(
                2
                * value()
                / ot.sliced_wasserstein_distance(*(e.x.double().numpy() for e in (mu, nu)), projections=frames.numpy())
                ** 2
                - 1
            )
            figures[f"{case}, gradient, relative error"] = float((term.gradient(mu) - wanted).norm() / wanted.norm())
            figures[f"{case}, gradient, float32 against float64"] = float(
                (term.gradient(mu) - exact).norm() / exact.norm()
            )
    return figures


def large(n: int = 1_000_000, projections: int = 100) -> dict[str, float]:
    """Seconds and peak memory (beside the particles) of a value and of a gradient at 10⁶ particles."""
    mu, nu = clouds(n, 2, torch.float64)
    term = wgf.SlicedWasserstein(nu, projections)
    bodies = {
        "value": lambda: term.value(mu),
        "value and gradient": lambda: term.evaluate(mu),
        "gradient with 2·10⁴ samples": lambda few=wgf.SlicedWasserstein(nu.x[:20_000], projections): few.evaluate(mu),
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
    for name, value in (sorts() | sliced() | large() | multiscale()).items():
        print(f"{name:75} {value:10.4g}")


if __name__ == "__main__":
    main()
