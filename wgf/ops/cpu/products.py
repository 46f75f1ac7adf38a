"""Pairwise sums on the CPU through matrix products, for larger dimensions: |x − y|² = |x|² + |y|² − 2 x·y by tiles.

The product form loses digits where two points are much closer to each other than to the origin. The cloud is
therefore centred, and pairs with |x − y|² < τ (|x|² + |y|²) are summed by their differences, one by one: in a cloud
of d > 10 dimensions these are few beside the particles themselves. For all others the relative error of |x − y|² is
at most ε/τ, and Σ w g (x − y) = x Σ w g − Σ w g y cancels at most a factor √(2/τ).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .. import forms
from ..threads import one_blas_thread, run_blocks
from .intrinsics import cast
from .jit import compiled
from .radial import compiled_form, evaluate, split_weights

_ROWS, _COLUMNS = 128, 512
_NEAR = {np.dtype(np.float32): 1.0 / 16.0, np.dtype(np.float64): 1.0 / 1024.0}
"""τ by dtype: relative errors of 1e-6 and 1e-13 where the kernel decides, and fewer near pairs in float64."""


@compiled(sums=True)
def _weigh(form, row, half, norms, near, softening, weights, slopes):
    """Turn the products x·y of a row into w g, in `slopes` and w k in place, or in place where `slopes` is None.

    Near pairs become 0. Returns Σ w k, Σ w g and the number of near pairs.
    """
    value, slope, count = cast(0.0, half), cast(0.0, half), 0
    for j in range(row.size):
        both = half + norms[j]
        q = both - cast(2.0, half) * row[j]
        k, g = evaluate(form, q + softening)
        apart = not (q <= near * both)  # a NaN stays among these
        k, g = (k * weights[j] if apart else cast(0.0, q)), (g * weights[j] if apart else cast(0.0, q))
        if slopes is None:
            row[j] = g
        else:
            row[j] = k
            slopes[j] = g
        value += k
        slope += g
        count += 0 if apart else 1
    return value, slope, count


@compiled(sums=True)
def _add_near(form, slopes, half, norms, near, softening, weights, x, y, payload, skip, out):
    """Add the near pairs of one row of x by differences: (Σ w g u, Σ w k, Σ w k p) in float64.

    They are among those whose slope was set to 0. One more at the edge had 0 to give: nothing counts twice.
    """
    d = x.size
    for j in range(slopes.size):
        if slopes[j] == cast(0.0, half) and j != skip:
            q = cast(0.0, half)
            for c in range(d):
                q += (x[c] - y[j, c]) * (x[c] - y[j, c])
            if q <= cast(2.0, near) * near * (half + norms[j]):
                k, g = evaluate(form, q + softening)
                k, g = k * weights[j], g * weights[j]
                for c in range(d):
                    out[c] += g * (x[c] - y[j, c])
                out[d] += k
                for c in range(payload.shape[1]):
                    out[d + 1 + c] += k * payload[j, c]


@compiled
def _tile(form, tile, slopes, x, halves, y, norms, weights, payload, near, softening, skip, out, totals):
    """What happens to a tile of products x·y before it is multiplied again; the pair (i, i + skip) is left out."""
    for i in range(tile.shape[0]):
        if slopes is None:
            second = None
            weighed = tile[i]
        else:
            second = slopes[i]
            weighed = slopes[i]
        value, slope, count = _weigh(form, tile[i], halves[i], norms, near, softening, weights, second)
        if count > 0:
            _add_near(form, weighed, halves[i], norms, near, softening, weights, x[i], y, payload, i + skip, out[i])
        out[i, x.shape[1]] += value
        totals[i] += slope


def _centre(y: np.ndarray) -> np.ndarray:
    return y.mean(axis=0, dtype=np.float64).astype(y.dtype)


class _Sums(NamedTuple):
    """Row by row: Σ w g u of the near pairs (d), Σ w k (1), Σ w k p of the near pairs (p); and of the others apart."""

    near: np.ndarray
    slopes: np.ndarray  # Σ w g (m,)
    places: np.ndarray  # Σ w g y (m, d), y from the centre
    payload: np.ndarray  # Σ w p, times k or, with one tile, g (m, p)


def _sums(x, y, weights, made, softening, skip_self, payload, far, slopes_apart) -> tuple[_Sums, np.ndarray]:
    """The sums, and x from the centre. Near pairs carry `payload`, the others `far`, by default y from the centre.

    With `slopes_apart` Σ w g y is summed too, and w k and w g have a tile each; otherwise one tile serves, of w g.
    """
    (m, d), dtype = x.shape, x.dtype
    centre = _centre(y)
    with np.errstate(invalid="ignore"):  # what is not finite is found, and named, by the flow
        xc, yc = x - centre, y - centre
    half, norms = (np.einsum("ic,ic->i", v, v, dtype=np.float64).astype(dtype) for v in (xc, yc))
    columns = np.ascontiguousarray(yc.T)
    far = yc if far is None else far
    near = np.zeros((m, d + 1 + payload.shape[1]))
    sums = _Sums(near, np.zeros(m), np.zeros((m, d)), np.zeros((m, far.shape[1])))
    never = -(len(y) + m)

    def worker(blocks: range) -> None:
        tile = np.empty(_ROWS * _COLUMNS, dtype)
        slopes = np.empty(_ROWS * _COLUMNS, dtype) if slopes_apart else None
        for block in blocks:
            rows = slice(block * _ROWS, min((block + 1) * _ROWS, m))
            count = rows.stop - rows.start
            for first in range(0, len(y), _COLUMNS):
                part = slice(first, min(first + _COLUMNS, len(y)))
                width = part.stop - first
                k = np.matmul(xc[rows], columns[:, part], out=tile[: count * width].reshape(count, width))
                g = None if slopes is None else slopes[: count * width].reshape(count, width)
                skip = rows.start - first if skip_self else never
                _tile(
                    made, k, g, x[rows], half[rows], y[part], norms[part], weights[part], payload[part], _NEAR[dtype],
                    softening, skip, sums.near[rows], sums.slopes[rows],
                )  # fmt: skip
                sums.payload[rows] += k @ far[part]
                if g is not None:
                    sums.places[rows] += g @ yc[part]

    with one_blas_thread():
        run_blocks(worker, -(-m // _ROWS))
    return sums, xc


def pair_sums(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
    exclude_self: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Σⱼ wⱼ K(xᵢ − yⱼ) and Σⱼ wⱼ ∇K(xᵢ − yⱼ) in float64, memory O(n·d); x and y share a dtype."""
    d, dtype = x.shape[1], x.dtype
    made, a, b = compiled_form(form, parameters, dtype)
    scale, relative = split_weights(weights, dtype)
    relative = np.ones(len(y), dtype) if relative is None else relative
    nothing = np.empty((len(y), 0), dtype)
    sums, xc = _sums(x, y, relative, made, dtype.type(softening**2), exclude_self, nothing, None, False)
    gradient = sums.near[:, :d] + xc * sums.slopes[:, None] - sums.payload
    return a * scale * sums.near[:, d], b * scale * gradient


def stein_direction(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    scores: np.ndarray,
    form: int,
    parameters: Sequence[float],
    softening: float,
) -> np.ndarray:
    """Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)] in float64; where g = k (Gaussian) one product carries both parts."""
    d, dtype = x.shape[1], x.dtype
    made, a, b = compiled_form(form, parameters, dtype)
    scale, relative = split_weights(weights, dtype)
    relative = np.ones(len(y), dtype) if relative is None else relative
    together = form == forms.GAUSSIAN
    far = scores
    if together:
        centre = _centre(y)
        far = (a * scores.astype(np.float64) + b * (y - centre)).astype(dtype)
    s2 = dtype.type(softening**2)
    sums, xc = _sums(x, y, relative, made, s2, False, scores, far, not together)
    near = a * sums.near[:, d + 1 :] - b * sums.near[:, :d]
    if together:
        return scale * (near + sums.payload - b * xc * sums.slopes[:, None])
    return scale * (near + a * sums.payload - b * (xc * sums.slopes[:, None] - sums.places))
