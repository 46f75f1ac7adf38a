"""The Stein direction on a GPU, by the loops of the pair sums, where each particle carries its score."""

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
    """Sum the Stein direction on a GPU: Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)] (Liu & Wang 2016).

    Parameters
    ----------
    x, y, weights, scores, form, parameters, softening
        As in `wgf.ops.stein_direction`.
    precision : str, optional
        How matrix products are formed, as in `launch.dot_precision`.

    Returns
    -------
    Tensor
        The directions (m, d), in the dtype of x. The second part keeps the particles apart.

    Notes
    -----
    Loops and memory are those of `pairwise.pair_sums`.
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
