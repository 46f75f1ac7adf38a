"""The compiled gradients of terms in which particles meet: sums over pairs, and moments; for at most `bodies.BLOCK`.

They use the loops of single steps (`pairwise`, `moments`), and round between them as those do. Where a single step
would take another way, such as another precision, they give NaN: the stretch is then taken by single steps.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import overload

from .coordinates import mean_and_variances
from .extent import extent
from .jit import compiled
from .moments import centre_of, moved_rows, row_sums, scatter_of
from .once import sums_with_themselves
from .rows import row

# ------------------------------------------------------------------------------------------------ pairs


@compiled(exact=True)
def held(pair, x):
    """Whether the dtype of the particles holds the sum, as `wgf.ops.range` has it."""
    if x.itemsize == 8:
        return True
    size = extent(x, x)
    return pair.low <= size <= pair.high or size == 0.0


@compiled(exact=True)
def _sums(pair, columns, weights, dims, team, sums):
    """The sums of all particles, as `pairwise` has them before its last factors."""
    sums[:] = 0.0
    loops = pair.loops if weights is None else pair.weighted_loops
    sums_with_themselves(loops, pair.form, columns, None, weights, dims, pair.softening, pair.exclude, team, sums)


@compiled(exact=True)
def _memory(team, x):
    """Memory for the columns: that of the team where there is one."""
    return np.empty((x.shape[1], x.shape[0]), x.dtype) if team is None else team.columns


@compiled(exact=True)
def _kept(team, kept, x):
    """Memory for the sums: that of the team or of the term where there is one."""
    if team is None:
        return np.empty((x.shape[1] + 1, x.shape[0])) if kept is None else kept
    return team.sums


@compiled(exact=True)
def _transposed(x, columns):
    """Write the columns of x to `columns`, and return them."""
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            columns[c, i] = x[i, c]
    return columns


@compiled(exact=True)
def _add_pair(pair, weights, dims, team, x, columns, sums, one, out):
    """Add the forces of one formula to `out`."""
    if not held(pair, x):
        out[:] = np.nan
        return
    _sums(pair, columns, weights, dims, team, sums)
    slope = pair.b * pair.total
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            one[0] = slope * sums[c, i]  # rounds to the dtype of the particles
            out[i, c] = out[i, c] + pair.factor * (pair.scale * one[0])


def _add_pairs(parts, weights, dims, team, x, columns, sums, one, out):
    """Add the forces of all formulas to `out`. For compiled code only."""
    raise NotImplementedError


@overload(_add_pairs, jit_options={"error_model": "numpy", "fastmath": False})
def _add_pairs_of(parts, weights, dims, team, x, columns, sums, one, out):
    if len(parts) == 0:

        def nothing(parts, weights, dims, team, x, columns, sums, one, out):
            pass

        return nothing

    def following(parts, weights, dims, team, x, columns, sums, one, out):
        _add_pair(parts[0], weights, dims, team, x, columns, sums, one, out)
        _add_pairs(parts[1:], weights, dims, team, x, columns, sums, one, out)

    return following


@compiled(exact=True)
def pairs(term, x, weights, out):
    """∇W * μ for a sum of radial formulas."""
    sums, one = _kept(term.team, term.kept, x), np.empty(1, x.dtype)
    out[:] = 0
    columns = _transposed(x, _memory(term.team, x))
    _add_pairs(term.parts, term.weights, term.dims, term.team, x, columns, sums, one, out)


@compiled(exact=True)
def pairs_value(term, x, weights, slope, out):
    """∫ (W * μ) dμ for one formula, from the sums that `pairs` has just left in the memory of the term or the team."""
    sums, pair, values = _kept(term.team, term.kept, x), term.parts[0], np.empty((x.shape[0], 1))
    for i in range(x.shape[0]):
        values[i, 0] = pair.scale * ((pair.a * pair.total) * sums[x.shape[1], i])
    out[0] = row_sums(weights, values, (0.0,))[0]


@compiled(exact=True)
def blob(term, x, weights, out):
    """∇S = −∇ρ/ρ − ∇φ_h * (μ/ρ)."""
    (n, d), pair = x.shape, term.pair
    if not held(pair, x):
        out[:] = np.nan
        return
    columns, sums, one = _transposed(x, np.empty((d, n), x.dtype)), np.empty((d + 1, n)), np.empty(1, x.dtype)
    _sums(pair, columns, term.weights, term.dims, None, sums)
    first, own = np.empty_like(x), np.empty(n)
    value, slope = pair.a * pair.total, pair.b * pair.total
    for i in range(n):
        own[i] = value * sums[d, i]
        for c in range(d):
            first[i, c] = slope * sums[c, i]
    other = np.empty(n)
    low, high = np.inf, -np.inf
    for i in range(n):
        other[i] = weights[i] * (1.0 / own[i])
        low, high = min(low, other[i]), max(high, other[i])
    scale = max(abs(low), abs(high))
    if low == high:
        _sums(pair, columns, None, term.dims, None, sums)
    else:
        relative = np.empty(n, x.dtype)
        for i in range(n):
            relative[i] = other[i] / scale
        _sums(pair, columns, relative, term.dims, None, sums)
    slope = pair.b * scale
    for i in range(n):
        for c in range(d):
            one[0] = slope * sums[c, i]
            out[i, c] = -np.float64(first[i, c]) / own[i] - np.float64(one[0])


# ------------------------------------------------------------------------------------------------ moments


@compiled(exact=True)
def inverse_and_log_det(matrix, inverse):
    """Write A⁻¹ by Cholesky's method to `inverse`; log det A and ‖A‖‖A⁻¹‖ (infinite if A is not positive definite)."""
    d = matrix.shape[0]
    half = np.zeros((d, d))  # L⁻¹ for A = LLᵀ
    factor = np.zeros((d, d))
    log_det = 0.0
    for i in range(d):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total = total - factor[i, k] * factor[j, k]
            if i != j:
                factor[i, j] = total / factor[j, j]
            elif total > 0.0:
                factor[i, i] = math.sqrt(total)
            else:
                return np.nan, np.inf
        log_det = log_det + math.log(factor[i, i])
    for j in range(d):
        half[j, j] = 1.0 / factor[j, j]
        for i in range(j + 1, d):
            total = 0.0
            for k in range(j, i):
                total = total - factor[i, k] * half[k, j]
            half[i, j] = total / factor[i, i]
    here, there = 0.0, 0.0
    for i in range(d):
        for j in range(d):
            total = 0.0
            for k in range(max(i, j), d):
                total = total + half[k, i] * half[k, j]
            inverse[i, j] = total
            here, there = here + matrix[i, j] * matrix[i, j], there + total * total
    return 2.0 * log_det, math.sqrt(here) * math.sqrt(there)


@compiled(exact=True)
def _joined(mass, centre, rests, scatters, mean, matrix):
    """Write mean and covariance, joined as `moments` joins one block."""
    d, k = mean.size, 0
    away = np.empty(d)
    for c in range(d):
        rest = rests[c] / (1.0 if mass == 0.0 else mass)
        mean[c] = centre[c] + mass * (0.0 + rest) / (mass if mass != 0.0 else 1.0)
        away[c] = (centre[c] - mean[c]) + rest
    for c in range(d):
        for e in range(c + 1):
            matrix[c, e] = scatters[k] + mass * away[c] * away[e]
            matrix[e, c] = matrix[c, e]
            k += 1


@compiled(exact=True)
def _inverse(term, x, weights, mean, inverse):
    """Write the mean and (C + εI)⁻¹; log det(C + εI), or NaN where C may be singular."""
    d = x.shape[1]
    matrix = np.empty((d, d))
    mass, centre = centre_of(weights, x, term.zeros)
    rest, scatter = scatter_of(weights, x, centre, term.pairs)
    _joined(mass, centre, rest, scatter, mean[0], matrix)
    for c in range(d):
        matrix[c, c] = matrix[c, c] + term.ridge
    log_det, condition = inverse_and_log_det(matrix, inverse)
    regular = condition < 0.5 / (64.0 * 2.220446049250313e-16 * d)
    if term.ridge == 0.0:
        least, size = 0.0, 0.0
        for c in range(d):
            least = max(least, (term.rounding * mean[0, c]) ** 2)
            for e in range(d):
                size = size + inverse[c, e] * inverse[c, e]
        regular = regular and math.sqrt(size) * least < 0.5
    return log_det if regular else np.nan


@compiled(exact=True)
def log_det(term, x, weights, out):
    """∇S = (C + εI)⁻¹(x − m). NaN where C may be singular, which the first gear looks at more closely."""
    d = x.shape[1]
    mean, inverse = np.empty((1, d)), np.empty((d, d))
    if np.isnan(_inverse(term, x, weights, mean, inverse)):
        out[:] = np.nan
        return
    moved_rows(x, row(mean, 0, term.zeros), entries(inverse.reshape((1, d * d)), term.zeros), out)


@compiled(exact=True)
def log_det_value(term, x, weights, slope, out):
    """log det(C + εI)."""
    d = x.shape[1]
    out[0] = _inverse(term, x, weights, np.empty((1, d)), np.empty((d, d)))


def entries(rows, zeros):
    """The entries of a matrix as one tuple. For compiled code only."""
    raise NotImplementedError


@overload(entries, jit_options={"error_model": "numpy", "fastmath": False})
def _entries_of(rows, zeros):
    like = (0.0,) * len(zeros) ** 2
    return lambda rows, zeros: row(rows, 0, like)


@compiled(exact=True)
def variance(term, x, weights, out):
    """∇S = x − m."""
    mean, squares = np.empty(x.shape[1]), np.empty(x.shape[1])
    mean_and_variances(weights, x, term.zeros, mean, squares)
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[i, c] = np.float64(x[i, c]) - mean[c]


@compiled(exact=True)
def log_variance(term, x, weights, out):
    """∇S = (x − m)/(Cⱼⱼ + ε). NaN where a coordinate has no variance."""
    n, d = x.shape
    mean, squares = np.empty(d), np.empty(d)
    mean_and_variances(weights, x, term.zeros, mean, squares)
    for c in range(d):
        squares[c] = squares[c] + term.ridge
        least = (term.rounding * mean[c]) ** 2 if term.ridge == 0.0 else 0.0
        if squares[c] <= least:
            squares[c] = np.nan
    for i in range(n):
        for c in range(d):
            out[i, c] = (np.float64(x[i, c]) - mean[c]) / squares[c]
