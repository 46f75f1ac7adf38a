"""Matrix products in registers against numpy, for sizes that are no multiples of a block."""

from __future__ import annotations

import numpy as np
import pytest

from wgf.ops.cpu import registers

each_dtype = pytest.mark.parametrize("dtype", [np.dtype(np.float32), np.dtype(np.float64)], ids=["f32", "f64"])


def drawn(shape, dtype, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@each_dtype
@pytest.mark.parametrize("d", [1, 20, 300])
def test_dot_products(d, dtype):
    """Rows 5 to 30 against columns from the second panel on; d = 300 is summed in two parts."""
    n, left = 101, registers.PANEL * registers.lanes(dtype)
    x, y = drawn((n, d), dtype, 0), drawn((n, d), dtype, 1)
    rows, tile = np.concatenate([x, np.zeros((registers.COUNT, d), dtype)]), registers.tile_of(32, 128, dtype)
    registers.dot_products(tile, rows, 5, 30, registers.panels(y), left, n)
    want = x[5:30].astype(np.float64) @ y[left:].T.astype(np.float64)
    assert np.abs(tile[:25, : n - left] - want).max() <= 50 * np.finfo(dtype).eps * d**0.5


@each_dtype
@pytest.mark.parametrize("vectors", [1, 2, 3, 4, 5])
def test_multiply(vectors, dtype):
    """A tile and its transpose times a factor, added to sums; 150 terms are summed in two parts."""
    width = vectors * registers.lanes(dtype)
    tile, b, c = drawn((29, 160), dtype, 0), drawn((200, width), dtype, 1), drawn((40, width), dtype, 2)
    sums, turned = np.ones((40, width)), np.ones((160, width))
    registers.multiply(sums, 3, 29, tile, 160, 1, b, 7, 150)
    registers.multiply(turned, 0, 150, tile, 1, 160, c, 2, 29)
    wide, bound = tile.astype(np.float64), 200 * np.finfo(dtype).eps
    assert np.abs(sums[3:32] - 1 - wide[:, :150] @ b[7:157].astype(np.float64)).max() <= bound
    assert np.abs(turned[:150] - 1 - wide[:, :150].T @ c[2:31].astype(np.float64)).max() <= bound
    assert (sums[:3] == 1).all()
    assert (sums[32:] == 1).all()
    assert (turned[150:] == 1).all()
