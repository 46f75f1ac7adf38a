"""The two-layer network on the CPU: tiles of neurons × samples in cache, and matrix products in one BLAS thread each.

Particles are packed as θ = (a, w, b): K output weights, D input weights, one bias. The arithmetic has the dtype of θ.
Sums over neurons (for f) and over samples (for the gradient) are added in float64 after each tile. The work on a tile
is a matrix product and one loop: bias, activation and output going forward; slope, residual and the gradients of a and
b going backward.

`forward_backward` takes chunks of samples through forward pass, residual and backward pass. The activations of a chunk
are then still in cache when the gradient needs them: 4 N·M·D operations instead of 6. Sums over tiles have a fixed
order, so that the result has the same bits for every number of threads. Small networks have passes of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from ..threads import one_blas_thread, run_blocks
from . import small_network, tiles
from .activation import COMPILED, Erf
from .extent import largest

_NEURONS, _SAMPLES = 256, 512  # most neurons and samples in a tile
_TASKS = 8  # pieces of work at least, where the sizes allow, so that threads share it evenly
_CACHE = 48 * 2**20  # most bytes of activations in a chunk of samples; much of them stays in cache
_LEAST = 128  # fewest samples in a chunk
_SMALLEST = 1e-9  # residuals from this to its inverse are used as they are
BUDGET = 256 * 2**20  # bytes; if even the smallest chunk needs more, activations are computed twice


def _blocks(count: int, largest: int) -> list[slice]:
    """Slices that cover range(count), as few as possible, all of nearly the same size, a multiple of 16."""
    size = -(-count // -(-count // largest))
    size = -(-size // 16) * 16
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _spans(items: list[slice], spans: int) -> list[list[slice]]:
    """The items in at most `spans` consecutive groups."""
    size = -(-len(items) // spans)
    return [items[start : start + size] for start in range(0, len(items), size)]


def _unit(residual: np.ndarray) -> float:
    """A power of two by which residuals are divided, so that float32 holds products with them; 1 where it does so."""
    high = largest(residual, 0, residual.shape[1])
    if high == 0.0 or _SMALLEST <= high <= 1.0 / _SMALLEST or not high < math.inf:
        return 1.0
    return 2.0 ** math.floor(math.log2(high))


class _Network:
    """One network with its parts in the dtype of θ, and its passes over samples z (m, D)."""

    def __init__(self, theta: np.ndarray, outputs: int, activation: int) -> None:
        self.theta, self.outputs, self.activation = theta, outputs, COMPILED[activation]
        self.values_are_kept = not isinstance(self.activation, Erf)
        self.w = theta[:, outputs:-1]
        self.tile: np.ndarray | None = None  # what a small network keeps

    @cached_property
    def a(self) -> np.ndarray:
        """The output weights (n, K)."""
        return self.theta[:, : self.outputs].copy()

    @cached_property
    def bias(self) -> np.ndarray:
        """The biases (n,)."""
        return self.theta[:, -1].copy()

    @cached_property
    def neurons(self) -> list[slice]:
        """The blocks of neurons."""
        return _blocks(len(self.theta), min(_NEURONS, max(64, len(self.theta) // _TASKS)))

    def small(self, m: int) -> bool:
        """Whether the passes of `small_network` are the faster ones for m samples."""
        n, (few, many) = len(self.theta), small_network.INPUTS
        if not self.values_are_kept:
            return False
        narrow = self.theta.dtype == np.float64 and few <= self.w.shape[1] <= many and self.outputs > 1
        return n * m <= small_network.MOST or (narrow and n >= small_network.NEURONS and n * m * 8 <= _CACHE)

    def _scratch(self) -> np.ndarray:
        """Memory for one tile."""
        return np.empty(_NEURONS * _SAMPLES, self.theta.dtype)

    def _tile(self, memory: np.ndarray, neurons: slice, samples: slice, start: int = 0) -> np.ndarray:
        """A tile of neurons × samples in this memory, from index `start`."""
        shape = (neurons.stop - neurons.start, samples.stop - samples.start)
        return memory[start : start + shape[0] * shape[1]].reshape(shape)

    def _kept_tile(self, memory: np.ndarray, m: int, neurons: slice, samples: slice) -> np.ndarray:
        """The place of a tile in the memory that keeps the activations of m samples."""
        count = neurons.stop - neurons.start
        return self._tile(memory, neurons, samples, neurons.start * m + count * samples.start)

    def _values(self, tile: np.ndarray, scratch: np.ndarray) -> np.ndarray:
        """σ of a tile; computed into scratch memory where something else was kept."""
        if self.values_are_kept:
            return tile
        h = scratch[: tile.size].reshape(tile.shape)
        tiles.values(self.activation, tile, h)
        return h

    def forward(self, z: np.ndarray, weights: np.ndarray, memory: np.ndarray | None = None) -> np.ndarray:
        """f (m, K), float64. If `memory` is given, it keeps the activations."""
        if self.small(len(z)):
            f, self.tile = small_network.forward(self.activation, self.theta, self.outputs, z, weights)
            return f
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
        """Add the gradient of Σₘ rₘ·φ(zₘ; θ) in θ to a float64 array (n, d)."""
        unit = _unit(residual) if self.theta.dtype == np.float32 else 1.0
        if unit != 1.0:
            part = np.zeros_like(gradient)
            self.backward(z, residual / unit, part, memory)
            gradient += unit * part
            return
        residual = residual.astype(self.theta.dtype, order="C")
        if self.small(len(z)):
            if self.tile is None:
                self.forward(z, np.ones(len(self.theta)))
            assert self.tile is not None
            part = np.empty_like(gradient)
            small_network.backward(self.activation, self.theta, self.tile, z, residual, part)
            gradient += part
            return
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
    """fₘ = Σᵢ weightsᵢ aᵢ σ(wᵢ·zₘ + bᵢ) (M, K)."""
    with one_blas_thread():
        return _Network(theta, outputs, activation).forward(z, weights)


def backward(theta: np.ndarray, z: np.ndarray, residual: np.ndarray, activation: int) -> tuple[np.ndarray, np.ndarray]:
    """vᵢ = Σₘ rₘ·φ(zₘ; θᵢ) (n,) and its gradient in θᵢ (n, d)."""
    network, gradient = _Network(theta, residual.shape[1], activation), np.zeros(theta.shape)
    with one_blas_thread():
        network.backward(z, residual, gradient)
    return (network.a * gradient[:, : network.outputs]).sum(axis=1), gradient


def chunk(n: int, m: int, itemsize: int) -> int:
    """The number of samples whose activations `sweep` keeps at a time; 0 if they are computed twice."""
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
    """The gradient of `backward` for the residuals r[rows] = residual(f[rows], rows) of the output f of `forward`.

    Memory beyond the result and O(n·d): _CACHE, or the activations of _LEAST samples where that is more, up to BUDGET.
    """
    network = _Network(theta, outputs, activation)
    if theta.dtype == np.float64 and network.small(len(z)):
        f, tile = small_network.forward(network.activation, theta, outputs, z, weights)
        gradient = np.empty(theta.shape)
        small_network.backward(network.activation, theta, tile, z, residual(f, slice(0, len(z))), gradient)
        return gradient
    gradient = np.zeros(theta.shape)
    size = chunk(len(theta), len(z), theta.itemsize)
    memory = np.empty(len(theta) * size, theta.dtype) if size and not network.small(min(size, len(z))) else None
    with one_blas_thread():
        for start in range(0, len(z), size or len(z)):
            rows = slice(start, min(start + (size or len(z)), len(z)))
            f = network.forward(z[rows], weights, memory)
            network.backward(z[rows], residual(f, rows), gradient, memory)
    return gradient
