"""What a periodic space takes: the check of its period, and of the methods of summation that know nearest images."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError
from . import arrays


def period_row(period: arrays.ArrayLike | None, dim: int) -> Tensor | None:
    """Check a period, a positive number or (d,) of them, and make it a float64 row; None stays None."""
    if period is None:
        return None
    row = arrays.as_numbers("period", period, "a number or one per dimension")
    if row.ndim > 1 or (row.ndim == 1 and len(row) != dim):
        raise ShapeError(f"period: shape {tuple(row.shape)}; wanted a number or ({dim},), one for each dimension.")
    if not bool((torch.isfinite(row) & (row > 0)).all()):
        raise ConfigError(f"period = {row.tolist()}: wanted positive numbers, the lengths after which space repeats.")
    return row.expand(dim).clone()


def require_images(method: str) -> None:
    """Refuse a method of summation that knows no images."""
    if method not in ("auto", "dense", "moments"):
        raise ConfigError(
            f"method = {method!r}: sums in a periodic domain are over all pairs; wanted 'auto' or 'dense'."
        )
