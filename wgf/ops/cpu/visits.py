"""Where visiting each pair once pays, and in how many private sums. It depends on sizes and weights alone."""

from __future__ import annotations

import numpy as np

from .columns import TILE
from .jit import compiled

FROM, DIMS = 128, 6  # from so many particles, and up to this dimension, visiting each pair once pays
CARRIED_FROM = TILE  # the same where columns carry a vector
_SPREAD = 1e6  # largest ratio of weights whose products fit well into float32
WORKSPACE = 2**26  # bytes for the private sums
_MOST_SLOTS, _LEAST_SLOTS = 64, 8  # most slots; a workspace for fewer than the least would leave threads without work
_SLOT = 64  # particles for one slot, up to the least


@compiled(exact=True)
def slots_of(n, width):
    """The number of private sums (width, n). It depends on the sizes alone."""
    most = min(WORKSPACE // (8 * n * width), _MOST_SLOTS)
    return max(1, min(max(n // TILE, min(n // _SLOT, _LEAST_SLOTS)), most))


@compiled(exact=True)
def visits_once(n, d, width, weights, carried):
    """Whether sums of particles with themselves visit each pair once, and so take less time.

    Parameters
    ----------
    n, d : int
        Number and dimension of the particles.
    width : int
        Numbers that are summed for each particle.
    weights : ndarray or None
        Their weights; None are equal.
    carried : bool
        Whether columns carry a vector.

    Returns
    -------
    bool
        False for few particles, many dimensions, or very unequal weights.
    """
    if n < (CARRIED_FROM if carried else FROM) or d > DIMS or 8 * n * width * _LEAST_SLOTS > WORKSPACE:
        return False
    if weights is None:
        return True
    low, high = np.inf, 0.0
    for weight in weights:
        if not weight > 0.0:
            return False
        low, high = min(low, weight), max(high, weight)
    return low * _SPREAD >= high
