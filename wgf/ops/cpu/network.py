"""The two-layer network on the CPU: tiles of neurons × samples, one-thread BLAS inside, the forward pass recomputed.

Packed particles are θ = (a, w, b): K output weights, D input weights, one bias. A tile never exceeds
_NEURONS × _SAMPLES numbers, so memory is O(n·d) whatever the number of neurons and samples.
"""

from __future__ import annotations

import math

import numpy as np

from ..activations import ERF, IDENTITY, RELU, SIGMOID, SOFTPLUS, TANH
from ..threads import one_blas_thread, run_blocks
from .elementary import exp, sigmoid, tanh
from .jit import compiled

_NEURONS, _SAMPLES = 512, 256
_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


@compiled
def _activate(s, bias, activation):
    """s[i, m] ← σ(s[i, m] + bᵢ) in place."""
    for i in range(s.shape[0]):
        row, b = s[i], bias[i]
        if activation == TANH:
            for m in range(row.size):
                row[m] = tanh(row[m] + b)
        elif activation == RELU:
            for m in range(row.size):
                z = row[m] + b
                row[m] = 0.0 if z < 0.0 else z
        elif activation == SIGMOID:
            for m in range(row.size):
                row[m] = sigmoid(row[m] + b)
        elif activation == SOFTPLUS:
            for m in range(row.size):
                z = row[m] + b
                row[m] = (0.0 if z < 0.0 else z) + math.log1p(exp(-abs(z)))
        elif activation == ERF:
            for m in range(row.size):
                row[m] = math.erf(row[m] + b)
        elif activation == IDENTITY:
            for m in range(row.size):
                row[m] += b


@compiled
def _activate_with_slope(s, bias, activation, g):
    """s ← σ(s + b) and g ← g·σ'(s + b), in place."""
    for i in range(s.shape[0]):
        row, slope, b = s[i], g[i], bias[i]
        if activation == TANH:
            for m in range(row.size):
                h = tanh(row[m] + b)
                row[m] = h
                slope[m] *= 1.0 - h * h
        elif activation == RELU:
            for m in range(row.size):
                z = row[m] + b
                row[m] = 0.0 if z < 0.0 else z
                slope[m] = 0.0 if z <= 0.0 else slope[m]
        elif activation == SIGMOID:
            for m in range(row.size):
                h = sigmoid(row[m] + b)
                row[m] = h
                slope[m] *= h * (1.0 - h)
        elif activation == SOFTPLUS:
            for m in range(row.size):
                z = row[m] + b
                row[m] = (0.0 if z < 0.0 else z) + math.log1p(exp(-abs(z)))
                slope[m] *= sigmoid(z)
        elif activation == ERF:
            for m in range(row.size):
                z = row[m] + b
                row[m] = math.erf(z)
                slope[m] *= _TWO_OVER_ROOT_PI * exp(-z * z)
        elif activation == IDENTITY:
            for m in range(row.size):
                row[m] += b


def _unpack(theta: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pack = np.ascontiguousarray
    return pack(theta[:, :outputs]), pack(theta[:, outputs:-1]), pack(theta[:, -1])


def forward(theta: np.ndarray, weights: np.ndarray, z: np.ndarray, outputs: int, activation: int) -> np.ndarray:
    """f (M, K) with fₘ = Σᵢ weightsᵢ aᵢ σ(wᵢ·zₘ + bᵢ); one thread owns a block of samples and adds neurons in order."""
    a, w, b = _unpack(theta, outputs)
    a = a * weights[:, None]
    zt = np.ascontiguousarray(z.T)
    f = np.zeros((len(z), outputs))

    def worker(blocks: range) -> None:
        scratch = np.empty(_NEURONS * _SAMPLES)
        for block in blocks:
            samples = slice(block * _SAMPLES, min((block + 1) * _SAMPLES, len(z)))
            inputs = np.ascontiguousarray(zt[:, samples])
            width = inputs.shape[1]
            for first in range(0, len(theta), _NEURONS):
                neurons = slice(first, min(first + _NEURONS, len(theta)))
                count = neurons.stop - first
                s = np.matmul(w[neurons], inputs, out=scratch[: count * width].reshape(count, width))
                _activate(s, b[neurons], activation)
                f[samples] += s.T @ a[neurons]

    with one_blas_thread():
        run_blocks(worker, -(-len(z) // _SAMPLES))
    return f


def backward(theta: np.ndarray, z: np.ndarray, residual: np.ndarray, activation: int) -> tuple[np.ndarray, np.ndarray]:
    """(v, g): vᵢ = Σₘ rₘ·φ(zₘ; θᵢ) (n,) and gᵢ = ∇_θ of it (n, d); one thread owns a block of neurons."""
    outputs = residual.shape[1]
    a, w, b = _unpack(theta, outputs)
    zt, rt = np.ascontiguousarray(z.T), np.ascontiguousarray(residual.T)
    gradient = np.zeros_like(theta)

    def worker(blocks: range) -> None:
        scratch, slopes = np.empty(_NEURONS * _SAMPLES), np.empty(_NEURONS * _SAMPLES)
        for block in blocks:
            neurons = slice(block * _NEURONS, min((block + 1) * _NEURONS, len(theta)))
            count = neurons.stop - neurons.start
            ga, gw, gb = np.zeros((count, outputs)), np.zeros((count, w.shape[1])), np.zeros(count)
            for first in range(0, len(z), _SAMPLES):
                samples = slice(first, min(first + _SAMPLES, len(z)))
                width = samples.stop - first
                s = np.matmul(w[neurons], zt[:, samples], out=scratch[: count * width].reshape(count, width))
                g = np.matmul(a[neurons], rt[:, samples], out=slopes[: count * width].reshape(count, width))
                _activate_with_slope(s, b[neurons], activation, g)
                ga += s @ residual[samples]
                gw += g @ z[samples]
                gb += g.sum(axis=1)
            gradient[neurons, :outputs], gradient[neurons, outputs:-1], gradient[neurons, -1] = ga, gw, gb

    with one_blas_thread():
        run_blocks(worker, -(-len(theta) // _NEURONS))
    return (a * gradient[:, :outputs]).sum(axis=1), gradient
