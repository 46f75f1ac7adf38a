"""Philox4x32-10 on the CPU: numbers as a function of seed, stream, step, particle and component; no state."""

from __future__ import annotations

import math

import numpy as np

from ..threads import run_blocks
from .jit import compiled

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_BLOCK = 2048


@compiled
def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds of Philox4x32 (Salmon, Moraes, Dror & Shaw 2011) on uint32 words."""
    for _ in range(10):
        p0, p1 = _M0 * np.uint64(c0), _M1 * np.uint64(c2)
        high0, low0 = np.uint32(p0 >> _HALF), np.uint32(p0 & _LOW)
        high1, low1 = np.uint32(p1 >> _HALF), np.uint32(p1 & _LOW)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    return c0, c1, c2, c3


@compiled
def _uniform(high, low):
    """(b + ½)·2⁻⁶⁴ of the 64-bit integer b: in (0, 1], with a lower tail down to 2⁻⁶⁵."""
    return (float((np.uint64(high) << _HALF) | np.uint64(low)) + 0.5) * 5.421010862427522e-20


@compiled
def _rows(ids, k0, k1, step, stream, normal, out):
    """Counter word block j of a particle gives its components 2j and 2j + 1; `normal` turns the pair by Box–Muller."""
    n, d = out.shape
    c2 = np.uint32(step & _LOW)
    for i in range(n):
        particle = np.uint64(ids[i])
        c1 = np.uint32(particle & _LOW)
        c3 = np.uint32((stream << np.uint64(24)) | ((step >> _HALF) << np.uint64(12)) | (particle >> _HALF))
        for block in range((d + 1) // 2):
            a, b, c, e = philox(np.uint32(block), c1, c2, c3, k0, k1)
            first, second = _uniform(a, b), _uniform(c, e)
            if normal:
                radius, angle = math.sqrt(-2.0 * math.log(first)), 2.0 * math.pi * second
                first, second = radius * math.cos(angle), radius * math.sin(angle)
            out[i, 2 * block] = first
            if 2 * block + 1 < d:
                out[i, 2 * block + 1] = second


def random(ids: np.ndarray, seed: int, step: int, stream: int, dim: int, normal: bool) -> np.ndarray:
    """Standard normals, or uniforms on (0, 1], as float64 (n, dim)."""
    out = np.empty((len(ids), dim))
    k0, k1 = np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)

    def worker(blocks: range) -> None:
        for block in blocks:
            rows = slice(block * _BLOCK, min((block + 1) * _BLOCK, len(ids)))
            _rows(ids[rows], k0, k1, np.uint64(step), np.uint64(stream), normal, out[rows])

    run_blocks(worker, -(-len(ids) // _BLOCK))
    return out
