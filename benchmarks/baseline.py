"""Where the operations stand: pairs per second, network gradients against plain numpy, and the default run.

    python benchmarks/baseline.py            prints a table and writes benchmarks/results/baseline-<machine>.json

Every figure is the median of interleaved repetitions after a warm-up that is not counted. These are starting points,
not records: the operations are written to be correct first.
"""

from __future__ import annotations

import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import wgf
from wgf.runs import load_config, run, store

REPETITIONS = 7


def medians(bodies: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each body, all of them once per round."""
    for body in bodies.values():
        body()
    seconds: dict[str, list[float]] = {name: [] for name in bodies}
    for _ in range(REPETITIONS):
        for name, body in bodies.items():
            start = time.perf_counter()
            body()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def pair_sums(n: int = 10_000) -> dict[str, float]:
    """10⁹ pairs per second of a Gaussian value and force in float64."""
    kernel = wgf.kernels.Gaussian(0.7)
    clouds = {d: wgf.Ensemble.gaussian(n, d) for d in (1, 2, 3, 10)}
    seconds = medians({str(d): lambda mu=mu: mu.kernel_sums(kernel) for d, mu in clouds.items()})
    return {f"gaussian d{d} f64, Gpairs/s": n * n / s / 1e9 for d, s in seconds.items()}


def numpy_gradient(risk: wgf.NetworkRisk, theta: np.ndarray, block: int = 512) -> np.ndarray:
    """The same cross-entropy gradient by matrix products over blocks of neurons, with BLAS's own threads."""
    z, y = risk.inputs.numpy(), risk.targets.numpy()
    k, n = 10, len(theta)
    a, w, b = theta[:, :k], theta[:, k:-1], theta[:, -1]
    blocks = [slice(i, min(i + block, n)) for i in range(0, n, block)]
    f = sum(np.tanh(z @ w[rows].T + b[rows]) @ a[rows] for rows in blocks) / n
    p = np.exp(f - f.max(1, keepdims=True))
    r = p / p.sum(1, keepdims=True)
    r[np.arange(len(y)), y] -= 1
    r /= len(y)
    gradient = np.empty_like(theta)
    for rows in blocks:
        h = np.tanh(z @ w[rows].T + b[rows])
        g = (1 - h * h) * (r @ a[rows].T)
        gradient[rows, :k], gradient[rows, k:-1], gradient[rows, -1] = h.T @ r, g.T @ z, g.sum(0)
    return gradient


def network(neurons: int = 4096) -> dict[str, float]:
    """One gradient of the default network, in milliseconds."""
    train, _ = wgf.data.load("digits")
    risk = wgf.NetworkRisk(train.x, train.y, loss="cross_entropy")
    mu = risk.initial(neurons)
    np.testing.assert_allclose(numpy_gradient(risk, mu.x.numpy()), risk.gradient(mu), rtol=1e-9, atol=1e-12)
    seconds = medians({"wgf": lambda: risk.evaluate(mu), "numpy": lambda: numpy_gradient(risk, mu.x.numpy())})
    return {f"network gradient, {name}, ms": 1e3 * s for name, s in seconds.items()}


def default_run() -> dict[str, float]:
    """`wgf run` as it is, report included."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = run(load_config(), Path(folder) / "run", progress=False)
        return {
            "default run, s": time.perf_counter() - start,
            "default run, test accuracy": result.summary["final"]["test_accuracy"],
        }


def main() -> None:
    """Measure, print and store."""
    figures = pair_sums() | network() | default_run()
    for name, value in figures.items():
        print(f"{name:40} {value:10.4g}")
    machine = f"{store.cpu().replace(' ', '-').lower()}-{torch.get_num_threads()}-threads"
    path = Path(__file__).parent / "results" / f"baseline-{machine}.json"
    versions = {key: value for key, value in store.versions().items() if key != "platform"}
    content = {"figures": figures, "repetitions": REPETITIONS, "machine": platform.machine(), **versions}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
