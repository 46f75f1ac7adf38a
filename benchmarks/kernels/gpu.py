"""The speed of the GPU kernels, compared with plain torch, with KeOps and with the peak rates of the GPU.

    wgf bench kernels --device cuda      prints a table and writes gpu-<name>.json and .md into the results
    python benchmarks/kernels/gpu.py     the same without the command line, into a folder `results` beside this file

Every time is the median of repetitions in turn, measured by CUDA events after warm-up calls that compile. The floor is
the larger of two times at the peak rates below: that of the operations of the formula (a fused multiply-add counts as
two, an exponential as eight), and that of reading the inputs and writing the results once.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

from wgf.ops import activations, forms, reference
from wgf.runs import store

from ..frame.facts import default_folder

REPETITIONS = 9
# operations per second outside the tensor cores (float32, float64), of float64 on the tensor cores, bytes per second
PEAKS = {"H100": (67e12, 34e12, 67e12, 3.0e12), "H200": (67e12, 34e12, 67e12, 4.3e12)}

Bodies = dict[str, Callable[[], Any]]


def medians(bodies: Bodies) -> dict[str, float]:
    """Median seconds of each body on the GPU, all once per round. Bodies that run out of memory are left out."""
    ready = {}
    for name, body in bodies.items():
        try:
            for _ in range(2):
                body()
            torch.cuda.synchronize()
            ready[name] = body
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
    times: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(REPETITIONS):
        for name, body in ready.items():
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            body()
            end.record()
            end.synchronize()
            times[name].append(begin.elapsed_time(end) * 1e-3)
    return {name: statistics.median(values) for name, values in times.items()}


def row(
    title: str, bodies: Bodies, operations: float, numbers: float, dtype: torch.dtype, products: bool = False
) -> dict:
    """One line of the table: the medians, and the floor for this many operations and numbers read or written.

    `products` says that the operations can run on tensor cores.
    """
    seconds = medians(bodies)
    peaks = next((p for name, p in PEAKS.items() if name in torch.cuda.get_device_name()), None)
    entry: dict[str, Any] = {"work": title, "ms": {name: 1e3 * s for name, s in seconds.items()}}
    if peaks is not None:
        single, double, tensor, memory = peaks
        rate = single if dtype == torch.float32 else tensor if products else double
        floor = max(operations / rate, numbers * dtype.itemsize / memory)
        entry["floor_ms"] = 1e3 * floor
        entry["fraction_of_floor"] = floor / seconds["triton"]
    return entry


def error(got: torch.Tensor, want: torch.Tensor) -> float:
    """The relative error ‖got − want‖ / ‖want‖."""
    return float((got.double() - want).norm() / want.norm())


def keops_gaussian(x: torch.Tensor, w: torch.Tensor, h: float) -> Callable[[], Any] | None:
    """KeOps' gradient of a Gaussian sum; None where KeOps is not installed."""
    try:
        from pykeops.torch import LazyTensor
    except ImportError:
        return None
    xi, xj, wj = LazyTensor(x[:, None, :]), LazyTensor(x[None, :, :]), LazyTensor(w[None, :, None])

    def body() -> Any:
        u = xi - xj
        k = (-(u * u).sum(-1) / (2 * h * h)).exp()
        return (k * wj).sum(1), (k * wj * u).sum(1)

    return body


def pairs(n: int, d: int, dtype: torch.dtype, precisions: tuple[str, ...] = ()) -> dict:
    """Value and force of a Gaussian kernel for n particles: 5d + 12 operations a pair (4d + 12 by products)."""
    from wgf.ops.cuda.pairwise import pair_sums

    x = torch.randn(n, d, device="cuda", dtype=dtype)
    w = torch.full((n,), 1 / n, device="cuda", dtype=dtype)
    h = 0.7 * d**0.5
    args = (x, x, w, forms.GAUSSIAN, [h], 0.0, False)
    bodies: Bodies = {"triton": lambda: pair_sums(*args)}
    if n <= 30_000:
        bodies["torch"] = lambda: reference.pair_sums(*args)
    if (keops := keops_gaussian(x, w, h)) is not None:
        bodies["keops"] = keops
    for precision in precisions:
        bodies[f"triton {precision}"] = partial(pair_sums, *args, precision=precision)
    products = d > 16
    operations = (4 * d if products else 5 * d) + 12
    entry = row(f"Gaussian force n={n} d={d} {str(dtype)[6:]}", bodies, operations * n * n, 2 * n * d, dtype, products)
    entry["Gpairs_per_s"] = n * n / entry["ms"]["triton"] * 1e-6
    few = x[: min(n, 200)]
    want = reference.pair_sums(few.double(), x.double(), w.double(), *args[3:])[1]
    entry["error"] = error(pair_sums(few, *args[1:])[1], want)
    return entry


def stein(n: int, d: int, dtype: torch.dtype) -> dict:
    """The Stein direction with kernel and scores. Plain torch forms the matrix of all pairs."""
    from wgf.ops.cuda.pairwise import stein_direction

    x, s = (torch.randn(n, d, device="cuda", dtype=dtype) for _ in range(2))
    w = torch.full((n,), 1 / n, device="cuda", dtype=dtype)
    h = 0.7 * d**0.5

    def plain() -> torch.Tensor:
        k = torch.exp(-(torch.cdist(x, x) ** 2) / (2 * h * h)) * w
        return k @ s + (x * k.sum(1, keepdim=True) - k @ x) / h**2

    bodies: Bodies = {"triton": lambda: stein_direction(x, x, w, s, forms.GAUSSIAN, [h], 0.0), "torch": plain}
    operations = (6 * d if d > 16 else 7 * d) + 12
    return row(f"Stein direction n={n} d={d} {str(dtype)[6:]}", bodies, operations * n * n, 3 * n * d, dtype, d > 16)


def network(neurons: int, samples: int, inputs: int, outputs: int, dtype: torch.dtype) -> dict:
    """Forward and backward pass of a tanh network: 6·N·M·D operations, plus those of the outputs."""
    from wgf.ops.cuda.network import network_backward, network_forward

    theta = torch.randn(neurons, outputs + inputs + 1, device="cuda", dtype=dtype) / inputs**0.5
    z, r = (torch.randn(samples, k, device="cuda", dtype=dtype) for k in (inputs, outputs))
    w = torch.full((neurons,), 1 / neurons, device="cuda", dtype=torch.float64)

    def passes(precision: str | None = None) -> Any:
        return (
            network_forward(theta, w, z, outputs, activations.TANH, precision),
            network_backward(theta, z, r, activations.TANH, precision),
        )

    def plain() -> Any:
        forward = reference.network_forward(theta, w.to(dtype), z, outputs, activations.TANH)
        return forward, reference.network_backward(theta, z, r, activations.TANH)

    bodies: Bodies = {"triton": passes, "torch": plain}
    if dtype == torch.float32:
        for precision in ("ieee",):
            bodies[f"triton {precision}"] = partial(passes, precision)
    operations = neurons * samples * (6.0 * inputs + 6.0 * outputs + 20)
    numbers = 2 * theta.numel() + 2 * z.numel() + 2 * r.numel()
    title = f"network N={neurons} M={samples} D={inputs} K={outputs} {str(dtype)[6:]}"
    entry = row(title, bodies, operations, numbers, dtype, True)
    few = theta[:100].double()
    want = reference.network_backward(few, z.double(), r.double(), activations.TANH)[1]
    entry["error"] = error(network_backward(theta[:100], z, r, activations.TANH)[1], want)
    return entry


def moments(n: int, d: int, dtype: torch.dtype) -> dict:
    """Weighted mean and covariance, and the affine map of the log-det force."""
    from wgf.ops.cuda import moments as gpu

    x = torch.randn(n, d, device="cuda", dtype=dtype)
    w = torch.full((n,), 1 / n, device="cuda", dtype=dtype)
    matrix = torch.eye(d, device="cuda", dtype=torch.float64)

    def fused() -> Any:
        _, centre, scatter = gpu.moments(x, w)
        return scatter, gpu.affine(x, centre, matrix)

    def plain() -> Any:
        mean = w @ x
        u = x - mean
        return (u * w[:, None]).T @ u, u @ matrix.to(dtype)

    bodies: Bodies = {"triton": fused, "torch": plain}
    return row(f"log-det force n={n} d={d} {str(dtype)[6:]}", bodies, 4.0 * n * d * d, 3 * n * d + n, dtype, True)


def langevin(n: int, dtype: torch.dtype) -> dict:
    """The update x − h g + s ξ of n × 2 numbers. It moves three numbers for each, and the ids."""
    from wgf.ops.cuda.noise import langevin as update

    x, g = (torch.randn(n, 2, device="cuda", dtype=dtype) for _ in range(2))
    ids = torch.arange(n, device="cuda")
    bodies: Bodies = {
        "triton": lambda: update(x, g, ids, [1, 2], 3, 0, 0.1, 0.2),
        "torch randn": lambda: x - 0.1 * g + 0.2 * torch.randn_like(x),
        "no noise": lambda: torch.add(x, g, alpha=-0.1),
    }
    return row(f"Langevin update n={n} d=2 {str(dtype)[6:]}", bodies, 0.0, 6 * n + n * 8 / dtype.itemsize, dtype)


def measure() -> Iterator[dict]:
    """Measure every line of the table, one after the other."""
    f32, f64 = torch.float32, torch.float64
    yield from (pairs(n, d, t) for n in (10_000, 100_000) for d in (1, 2, 3, 10) for t in (f32, f64))
    for d, t in product((17, 64, 128), (f32, f64)):
        yield pairs(10_000, d, t, ("ieee", "tf32x3") if t == f32 else ())
    yield pairs(1_000_000, 3, f32)
    yield from (stein(n, d, f32) for n, d in ((1_000, 50), (10_000, 2), (10_000, 50)))
    for n, m, d in ((1_000, 1_000, 100), (10_000, 10_000, 10), (10_000, 10_000, 100)):
        yield network(n, m, d, 1, f32)
    yield from (network(10_000, 10_000, 100, 10, t) for t in (f32, f64))
    yield from (moments(1_000_000, d, t) for d in (2, 10, 64) for t in (f32, f64))
    yield from (langevin(10_000_000, t) for t in (f32, f64))


def page(content: dict[str, Any]) -> str:
    """The results as a page: a table of medians in milliseconds, with the floor and the error of each line."""
    head = (
        f"# GPU kernels on {content['device']}\n\nMedians in milliseconds of {content['repetitions']} repetitions in "
        f"turn; torch {content['torch']}, Triton {content['triton']}. The floor is explained in "
        "benchmarks/kernels/gpu.py. Made by `wgf bench kernels --device cuda`.\n\n"
        "| work | ours | others | share of the floor | error |\n| --- | ---: | --- | ---: | ---: |\n"
    )
    rows = []
    for line in content["lines"]:
        others = ", ".join(f"{name} {ms:.3g}" for name, ms in line["ms"].items() if name != "triton")
        share = f"{line['fraction_of_floor']:.0%}" if "fraction_of_floor" in line else ""
        error = f"{line['error']:.1e}" if "error" in line else ""
        rows.append(f"| {line['work']} | {line['ms']['triton']:.3g} | {others} | {share} | {error} |")
    return head + "\n".join(rows) + "\n"


def run(folder: Path) -> Path:
    """Measure everything, print the table, and write a JSON file and a page in `folder`. Returns the file's path."""
    import triton

    lines = []
    for line in measure():
        lines.append(line)
        times = ", ".join(f"{name} {ms:.4g}" for name, ms in line["ms"].items())
        more = ", ".join(
            f"{key} {line[key]:.3g}" for key in ("fraction_of_floor", "Gpairs_per_s", "error") if key in line
        )
        print(f"{line['work']:44} ms: {times}   {more}", flush=True)
    device = torch.cuda.get_device_name()
    versions = {key: value for key, value in store.versions().items() if key not in ("platform", "device")}
    content = {**versions, "device": device, "repetitions": REPETITIONS, "triton": triton.__version__, "lines": lines}
    path = folder / f"gpu-{device.replace(' ', '-').lower()}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(page(content), encoding="utf-8")
    return path


def main() -> None:
    """Run as a script; the results go where those of the other benchmarks go."""
    if not torch.cuda.is_available():
        sys.exit("gpu.py: torch sees no CUDA device here; it needs one (with a CUDA build of torch and triton).")
    print(f"written: {run(default_folder())}")


if __name__ == "__main__":
    main()
