"""The Stein direction on a GPU: the traversals of pair sums with a vector carried by each particle."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .differences import LIMIT, difference_sums
from .launch import compute_dtype
from .products import product_sums
from .radial import numbers


def stein_direction(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    scores: Tensor,
    form: int,
    parameters: Sequence[float],
    softening: float,
    precision: str | None = None,
) -> Tensor:
    """φ(xᵢ) = Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)] (m, d) in the dtype of x (Liu & Wang 2016).

    x (m, d), y (n, d), weights (n,), scores s (n, d). The second term is the derivative of K in yⱼ, the repulsion.
    Which traversal runs, `precision` and memory are as in `pairwise.pair_sums`.
    """
    if len(x) == 0 or len(y) == 0:
        return torch.zeros_like(x)
    dtype = compute_dtype(x, y)
    here, there, w, s = (t.detach().to(dtype).contiguous() for t in (x, y, weights, scores))
    name, constants = numbers(form, parameters)
    soft = softening**2
    if x.shape[1] <= LIMIT:
        direction = difference_sums(here, there, w, s, name, constants, soft, False)
    else:
        direction = product_sums(here, there, w, s, name, constants, soft, False, precision)[1]
    return direction.to(x.dtype)
