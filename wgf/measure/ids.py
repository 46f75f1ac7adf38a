"""The ids of particles: distinct numbers that key their noise."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError
from .arrays import ArrayLike, numbers


def id_rows(ids: ArrayLike | None, n: int, copy: bool) -> Tensor:
    """Distinct ids (n,) int64 from 0 to 2⁴⁴ − 1, the range of the noise counter; 0..n−1 by default."""
    if ids is None:
        return torch.arange(n)
    tensor = numbers("ids", ids)
    if tensor.shape != (n,) or tensor.dtype != torch.int64:
        raise ShapeError(f"ids: shape {tuple(tensor.shape)}, {tensor.dtype}; wanted ({n},) int64.")
    if bool((tensor < 0).any()) or bool((tensor >= 2**44).any()):
        raise ConfigError("ids: wanted integers from 0 to 2^44 - 1, the range of the noise counter.")
    values, count = torch.unique(tensor, return_counts=True)
    if len(values) < n:
        raise ConfigError(
            f"ids: {int(values[count.argmax()])} is given twice; particles with one id would share their noise."
        )
    return tensor.clone() if copy else tensor


def distinct_ids(ids: Tensor) -> Tensor:
    """The ids (n,), where repeated ones are replaced by numbers that are not in use."""
    values, first = torch.unique(ids, return_inverse=True)
    if len(values) == len(ids):
        return ids
    seen = torch.full_like(values, len(ids)).scatter_reduce(0, first, torch.arange(len(ids), device=ids.device), "amin")
    repeated = seen[first] != torch.arange(len(ids), device=ids.device)
    fresh = ids.clone()
    fresh[repeated] = values.max() + 1 + torch.arange(int(repeated.sum()), device=ids.device)
    return fresh
