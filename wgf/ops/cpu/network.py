"""The two-layer network on the CPU: tiles of neurons × samples in cache, one-thread BLAS inside.

Packed particles are θ = (a, w, b): K output weights, D input weights, one bias. The arithmetic is that of the dtype of
θ; sums over neurons (of f) and over samples (of the gradient) leave it after one tile and go on in float64. A tile is
the product of input weights and inputs, and one fused loop over it: bias, activation and output, or slope, residual
and the gradients of a and b.

`sweep` walks over chunks of samples with forward pass, residual and backward pass in turn, so that the activations of
a chunk are still in cache when the gradient asks for them: 4 N·M·D operations in place of 6. Which thread computes a
tile changes nothing: sums over tiles are added in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..threads import one_blas_thread, run_blocks
from . import tiles
from .activation import COMPILED, Erf

_NEURONS, _SAMPLES = 256, 512  # largest tile
_TASKS = 8  # pieces of work at least, where the sizes allow: for that many threads, or to balance two
_CACHE = 48 * 2**20  # bytes of activations that a chunk of samples may have: larger products, still much in cache
_LEAST = 128  # samples in a chunk at least
BUDGET = 256 * 2**20  # bytes: where even the least chunk needs more, activations are computed twice


def _blocks(count: int, largest: int) -> list[slice]:
    """range(count) in the least number of blocks of nearly the same size, a multiple of 16."""
    size = -(-count // -(-count // largest))
    size = -(-size // 16) * 16
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _spans(items: list[slice], spans: int) -> list[list[slice]]:
    """The items in at most that many runs."""
    size = -(-len(items) // spans)
    return [items[start : start + size] for start in range(0, len(items), size)]


class _Network:
    """One network with its parts in the dtype of θ, and the passes over some samples z (m, D)."""

    def __init__(self, theta: np.ndarray, outputs: int, activation: int) -> None:
        self.theta, self.outputs, self.activation = theta, outputs, COMPILED[activation]
        self.values_are_kept = not isinstance(self.activation, Erf)
        self.a, self.bias = theta[:, :outputs].copy(), theta[:, -1].copy()
        self.w = theta[:, outputs:-1]
        self.neurons = _blocks(len(theta), min(_NEURONS, max(64, len(theta) // _TASKS)))

    def _scratch(self) -> np.ndarray:
        return np.empty(_NEURONS * _SAMPLES, self.theta.dtype)

    def _tile(self, memory: np.ndarray, neurons: slice, samples: slice, start: int = 0) -> np.ndarray:
        shape = (neurons.stop - neurons.start, samples.stop - samples.start)
        return memory[start : start + shape[0] * shape[1]].reshape(shape)

    def _kept_tile(self, memory: np.ndarray, m: int, neurons: slice, samples: slice) -> np.ndarray:
        """The place of a tile among those of m samples, tile after tile."""
        count = neurons.stop - neurons.start
        return self._tile(memory, neurons, samples, neurons.start * m + count * samples.start)

    def _values(self, tile: np.ndarray, scratch: np.ndarray) -> np.ndarray:
        if self.values_are_kept:
            return tile
        h = scratch[: tile.size].reshape(tile.shape)
        tiles.values(self.activation, tile, h)
        return h

    def forward(self, z: np.ndarray, weights: np.ndarray, memory: np.ndarray | None = None) -> np.ndarray:
        """f (m, K) in float64; where there is memory for them, the activations are kept."""
        a = (self.a * weights[:, None]).astype(self.a.dtype)
        samples = _blocks(len(z), _SAMPLES)
        runs = _spans(self.neurons, max(1, _TASKS // len(samples)))
        f = np.zeros((len(runs), len(z), self.outputs))

        def one(neurons: slice, block: slice, place: np.ndarray, other: np.ndarray, total: np.ndarray) -> None:
            if memory is None:
                tile = self._tile(place, neurons, block)
            else:
                tile = self._kept_tile(memory, len(z), neurons, block)
            np.matmul(self.w[neurons], z[block].T, out=tile)
            if self.outputs == 1:
                part = np.zeros(tile.shape[1], tile.dtype)
                tiles.activate_and_add(self.activation, tile, self.bias[neurons], a[neurons, 0], part)
                total[:, 0] += part
            else:
                tiles.activate(self.activation, tile, self.bias[neurons])
                total += self._values(tile, other).T @ a[neurons]

        def worker(tasks: Iterator[int]) -> None:
            place, other = self._scratch(), self._scratch()
            for task in tasks:
                run, block = divmod(task, len(samples))
                for neurons in runs[run]:
                    one(neurons, samples[block], place, other, f[run, samples[block]])

        run_blocks(worker, len(runs) * len(samples))
        return f.sum(axis=0)

    def backward(
        self, z: np.ndarray, residual: np.ndarray, gradient: np.ndarray, memory: np.ndarray | None = None
    ) -> None:
        """Add the gradient in θ of Σₘ rₘ·φ(zₘ; θ) to a float64 (n, d) array."""
        residual = residual.astype(self.theta.dtype, order="C")
        across = np.ascontiguousarray(residual.T)
        runs = _spans(_blocks(len(z), _SAMPLES), max(1, _TASKS // len(self.neurons)))
        parts = [gradient, *(np.zeros_like(gradient) for _ in runs[1:])]
        last = self.outputs

        def one(neurons: slice, block: slice, place: np.ndarray, other: np.ndarray, total: np.ndarray) -> None:
            g = self._tile(other, neurons, block)
            if memory is None:
                tile = self._tile(place, neurons, block)
                np.matmul(self.w[neurons], z[block].T, out=tile)
                tiles.activate(self.activation, tile, self.bias[neurons])
            else:
                tile = self._kept_tile(memory, len(z), neurons, block)
            first = neurons.start
            if self.outputs == 1:
                tiles.pull_back_one(self.activation, tile, self.a[neurons, 0], across[0, block], g, first, total)
            else:
                np.matmul(self.a[neurons], across[:, block], out=g)
                tiles.slopes(self.activation, tile, g, first, total)
                tiles.join(self._values(tile, place) @ residual[block], first, 0, total)
            tiles.join(g @ z[block], first, last, total)

        def worker(tasks: Iterator[int]) -> None:
            place, other = self._scratch(), self._scratch()
            for task in tasks:
                neurons, run = divmod(task, len(runs))
                for block in runs[run]:
                    one(self.neurons[neurons], block, place, other, parts[run])

        run_blocks(worker, len(self.neurons) * len(runs))
        for part in parts[1:]:
            gradient += part


def forward(theta: np.ndarray, weights: np.ndarray, z: np.ndarray, outputs: int, activation: int) -> np.ndarray:
    """f (M, K) with fₘ = Σᵢ weightsᵢ aᵢ σ(wᵢ·zₘ + bᵢ)."""
    with one_blas_thread():
        return _Network(theta, outputs, activation).forward(z, weights)


def backward(theta: np.ndarray, z: np.ndarray, residual: np.ndarray, activation: int) -> tuple[np.ndarray, np.ndarray]:
    """(v, g): vᵢ = Σₘ rₘ·φ(zₘ; θᵢ) (n,) and gᵢ = ∇_θ of it (n, d)."""
    network, gradient = _Network(theta, residual.shape[1], activation), np.zeros(theta.shape)
    with one_blas_thread():
        network.backward(z, residual, gradient)
    return (network.a * gradient[:, : network.outputs]).sum(axis=1), gradient


def chunk(n: int, m: int, itemsize: int) -> int:
    """Samples whose activations `sweep` keeps at a time; 0 where they are computed twice."""
    size = max(_LEAST, _CACHE // (n * itemsize) // 64 * 64)
    if min(size, m) * n * itemsize > BUDGET:
        return 0
    return -(-m // -(-m // size))


def forward_backward(
    theta: np.ndarray,
    weights: np.ndarray,
    z: np.ndarray,
    outputs: int,
    activation: int,
    residual: Callable[[np.ndarray, slice], np.ndarray],
) -> np.ndarray:
    """The gradient of `backward` for r[rows] = residual(f[rows], rows), f being that of `forward`.

    Memory beyond the result and O(n·d): _CACHE, or the activations of _LEAST samples where that is more, up to BUDGET.
    """
    network, gradient = _Network(theta, outputs, activation), np.zeros(theta.shape)
    size = chunk(len(theta), len(z), theta.itemsize)
    memory = np.empty(len(theta) * size, theta.dtype) if size else None
    with one_blas_thread():
        for start in range(0, len(z), size or len(z)):
            rows = slice(start, min(start + (size or len(z)), len(z)))
            f = network.forward(z[rows], weights, memory)
            network.backward(z[rows], residual(f, rows), gradient, memory)
    return gradient
