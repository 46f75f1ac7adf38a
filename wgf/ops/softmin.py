"""The soft minimum of squared distances to weighted points: one half of an iteration of Sinkhorn."""

from __future__ import annotations

import torch
from torch import Tensor

from . import reference
from .registry import array, custom_op, later, native, register

cpu = later("softmin")


@custom_op("wgf::soft_minimum", mutates_args=(), device_types="cpu")
def soft_minimum(
    x: Tensor, y: Tensor, logits: Tensor, guess: Tensor, epsilon: float, slopes: bool
) -> tuple[Tensor, Tensor]:
    """Take the soft minimum over y of the cost ½|x − y|², at every x.

        f(x) = −ε log Σⱼ exp(sⱼ − |x − yⱼ|²/(2ε)),    ∇f(x) = x − Σⱼ wⱼ yⱼ / Σⱼ wⱼ

    wⱼ are the terms of the first sum. With sⱼ = log bⱼ + g(yⱼ)/ε this is an update of a potential of Sinkhorn, and
    x − ∇f(x) is the mean of the places to which the plan takes the mass at x.

    Parameters
    ----------
    x : Tensor
        Points (m, d), float32 or float64.
    y : Tensor
        Points (n, d), in the dtype of x. The sums of the terms have this dtype within blocks.
    logits : Tensor
        sⱼ (n,), float64. −∞ leaves a point out.
    guess : Tensor
        About f (m,), float64, such as its last value. It decides how fast the sums are, not what they are.
    epsilon : float
        ε > 0, in squared units of x.
    slopes : bool
        Whether ∇f is wanted.

    Returns
    -------
    value : Tensor
        f (m,), float64.
    slope : Tensor
        ∇f (m, d), float64; shape (m, 0) where it is not wanted.

    Notes
    -----
    O(m·n·d) time, O((m + n)·d) memory. Rounding of float32 changes f/ε by some 10⁻⁷ |x − y|²/ε: centre the points.

    References
    ----------
    Feydy (2020), Geometric data analysis, beyond convolutions, PhD thesis, §3.3.

    Examples
    --------
    >>> import torch
    >>> x, one = torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    >>> value, slope = soft_minimum(x, x + 2.0, one, one, 0.1, True)
    >>> round(value.item(), 9), slope.item()  # one point: ½|x − y|²
    (2.0, -2.0)
    """
    value, slope = cpu.soft_minimum(native(x), native(y.to(x.dtype)), array(logits), array(guess), epsilon, slopes)
    return torch.from_numpy(value), torch.from_numpy(slope)


def _elsewhere(x: Tensor, y: Tensor, logits: Tensor, guess: Tensor, epsilon: float, slopes: bool) -> tuple[Tensor, ...]:
    value, slope = reference.soft_minimum(x.double(), y.double(), logits.double(), epsilon)
    return value, slope if slopes else slope[:, :0].contiguous()


register(
    soft_minimum,
    _elsewhere,
    lambda x, y, logits, guess, epsilon, slopes: (
        x.new_empty(len(x), dtype=torch.float64),
        x.new_empty((len(x), x.shape[1] if slopes else 0), dtype=torch.float64),
    ),
    triton="softmin",
)
