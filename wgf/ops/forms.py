"""The radial kernel formulas: their numbers, and each formula in plain torch.

Compiled code knows a formula by its number. Tests compare every compiled formula with `evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

GAUSSIAN, MATERN12, MATERN32, MATERN52, MULTIQUADRIC, MORSE, LOG, RIESZ, DISTANCE = range(9)


def evaluate(form: int, p: Sequence[float], q: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluate a radial formula and its gradient: K(u) = k and ∇K(u) = g·u for q = |u|².

    Parameters
    ----------
    form : int
        Number of the formula, such as `GAUSSIAN`.
    p : sequence of float
        Its parameters, in the order in which the kernel of `wgf.kernels` takes them. Lengths are in the units of x.
    q : Tensor
        Squared distances q ≥ 0, any shape. A softening δ is already included: q = |u|² + δ².

    Returns
    -------
    k, g : Tensor
        Of the shape of q. Where a formula has a kink at q = 0, g is 0 there.

    Examples
    --------
    >>> import torch
    >>> k, g = evaluate(GAUSSIAN, [1.0], torch.tensor([0.0]))
    >>> k.item(), g.item()
    (1.0, -1.0)
    """
    r = q.sqrt()
    if form == GAUSSIAN:
        k = torch.exp(-q / (2 * p[0] ** 2))
        return k, -k / p[0] ** 2
    if form == MATERN12:
        k = torch.exp(-r / p[0])
        return k, _smooth_at_zero(-k / p[0], r)
    if form == MATERN32:
        s = 3**0.5 * r / p[0]
        e = torch.exp(-s)
        return (1 + s) * e, -3 / p[0] ** 2 * e
    if form == MATERN52:
        s = 5**0.5 * r / p[0]
        e = torch.exp(-s)
        return (1 + s + s**2 / 3) * e, -5 / (3 * p[0] ** 2) * (1 + s) * e
    if form == MULTIQUADRIC:
        base = 1 + q / p[0] ** 2
        k = base ** -p[1]
        return k, -2 * p[1] / p[0] ** 2 * k / base
    if form == MORSE:
        repel, attract = p[0] * torch.exp(-r / p[1]), p[2] * torch.exp(-r / p[3])
        return repel - attract, _smooth_at_zero(attract / p[3] - repel / p[1], r)
    if form == LOG:
        return -0.5 * torch.log(q), -1 / q
    if form == RIESZ:
        k = q ** (-p[0] / 2)
        return k, -p[0] * k / q
    if form == DISTANCE:
        return r, _smooth_at_zero(torch.ones_like(r), r)
    raise AssertionError(f"unknown form {form}")


def _smooth_at_zero(numerator: Tensor, r: Tensor) -> Tensor:
    """numerator / r, and 0 at a kink r = 0: by symmetry a point exerts no force on itself."""
    return torch.where(r == 0, torch.zeros_like(r), numerator / torch.where(r == 0, torch.ones_like(r), r))
