"""Samples as users give them, inputs and targets, as checked tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError, require_unmasked
from ..measure import ArrayLike, Ensemble, as_real, require_finite_rows, to_tensor


def as_inputs(name: str, inputs: ArrayLike) -> Tensor:
    """The inputs (M, D) as a contiguous tensor of finite numbers, M and D at least 1."""
    z = as_real(name, inputs)
    if z.ndim != 2 or min(z.shape) == 0:
        raise ShapeError(f"{name}: shape {tuple(z.shape)}; wanted (M, D) with at least one sample and one feature.")
    require_finite_rows(name, z)
    return z.contiguous()


def require_here(name: str, what: str, device: torch.device, mu: Ensemble) -> None:
    """Refuse the data of a term that are on another device than the particles."""
    if device != mu.device:
        raise ConfigError(
            f"{name}: the {what} are on {device}, the particles on {mu.device}; give it {what} on {mu.device} "
            f'(.to("{mu.device}")).'
        )


def as_targets(targets: ArrayLike, m: int) -> Tensor:
    """The targets (M,) or (M, K) of m inputs as a tensor of finite numbers."""
    require_unmasked("targets", targets)
    try:
        y = to_tensor(targets)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"targets: {error}; wanted numbers (encode class labels as 0, 1, ...).") from error
    if y.ndim == 0 or len(y) != m:
        raise ShapeError(f"targets: shape {tuple(y.shape)}; wanted one row for each of the {m} inputs.")
    if y.is_floating_point():
        require_finite_rows("targets", y)
    return y.detach()


def lowest(keys: Tensor, count: int) -> Tensor:
    """The indices of the lowest keys in ascending order, equal ones by index: the start of a stable sort."""
    if not keys.is_cpu:
        return torch.argsort(keys, stable=True)[:count]
    values = keys.numpy()
    among = np.flatnonzero(values <= np.partition(values, count - 1)[count - 1])
    return torch.from_numpy(among[np.argsort(values[among], kind="stable")][:count])
