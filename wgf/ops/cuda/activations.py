"""The activation functions for Triton. Tests compare every formula with `wgf.ops.activations.evaluate`."""

from __future__ import annotations

import triton
import triton.language as tl

from ..activations import NAMES

NAME = {number: name for name, number in NAMES.items()}


@triton.jit
def _tanh(s):
    """(1 − e)/(1 + e) with e = exp(−2|s|). In float32 this loses digits near 0; for |s| < 1/4 a series is used."""
    e = tl.exp(-2.0 * tl.abs(s))
    t = (1.0 - e) / (1.0 + e)
    t = tl.where(s < 0.0, -t, t)
    if s.dtype == tl.float32:
        z = s * s
        series = s + s * z * (-1.0 / 3.0 + z * (2.0 / 15.0 + z * (-17.0 / 315.0 + z * (62.0 / 2835.0))))
        t = tl.where(z < 0.0625, series, t)
    return t


@triton.jit
def activate(s, NAME: tl.constexpr):
    """(σ(s), σ′(s)). The slope of relu at 0 is 0, and NaN stays NaN in σ."""
    if NAME == "tanh":
        h = _tanh(s)
        slope = 1.0 - h * h
    elif NAME == "relu":
        h = tl.where(s < 0.0, 0.0, s)
        slope = tl.where(s > 0.0, 1.0, 0.0).to(s.dtype)
    elif NAME == "sigmoid":
        h = 1.0 / (1.0 + tl.exp(-s))
        slope = h * (1.0 - h)
    elif NAME == "softplus":
        e = tl.exp(-tl.abs(s))
        u = 1.0 + e
        logarithm = tl.where(u == 1.0, e, tl.log(u) * e / (u - 1.0))  # log(1 + e) with all its digits
        h = tl.where(s < 0.0, 0.0, s) + logarithm
        slope = 1.0 / (1.0 + tl.exp(-s))
    elif NAME == "erf":
        h = tl.erf(s)
        slope = 1.1283791670955126 * tl.exp(-s * s)  # 2/√π
    else:
        tl.static_assert(NAME == "identity")
        h = s
        slope = tl.full(s.shape, 1.0, s.dtype)
    return h, slope
