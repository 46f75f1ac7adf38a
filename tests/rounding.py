"""How far a GPU kernel may be from plain torch: relative in the norm, by the dtype of the particles."""

from __future__ import annotations

import pytest
import torch

ROUNDING = {torch.float32: 2e-6, torch.float64: 1e-13}


DTYPES = pytest.mark.parametrize("dtype", ROUNDING, ids=str)


def close(got, want, dtype):
    """Relative distance in the norm."""
    got, want = got.double(), want.double()
    return got.shape == want.shape and float((got - want).norm()) <= ROUNDING[dtype] * float(want.norm())
