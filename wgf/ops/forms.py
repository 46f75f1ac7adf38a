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

    Notes
    -----
    Autograd can differentiate k at q = 0 too. By symmetry the derivative in u is 0 there.

    Examples
    --------
    >>> import torch
    >>> k, g = evaluate(GAUSSIAN, [1.0], torch.tensor([0.0]))
    >>> k.item(), g.item()
    (1.0, -1.0)
    """
    if form == GAUSSIAN:
        k = torch.exp(-q / (2 * p[0] ** 2))
        return k, -k / p[0] ** 2
    if form == MULTIQUADRIC:
        base = 1 + q / p[0] ** 2
        k = base ** -p[1]
        return k, -2 * p[1] / p[0] ** 2 * k / base
    if form == LOG:
        return -0.5 * torch.log(q), -1 / q
    if form == RIESZ:
        k = q ** (-p[0] / 2)
        return k, -p[0] * k / q
    return _of_distance(form, p, q)


def _of_distance(form: int, p: Sequence[float], q: Tensor) -> tuple[Tensor, Tensor]:
    """The formulas in r = √q. The root has no derivative at 0: there k = k₀ + k₁q, and g is 0 at a kink."""
    zero = q == 0
    r = torch.where(zero, torch.ones_like(q), q).sqrt()
    if form == MATERN12:
        k = torch.exp(-r / p[0])
        return torch.where(zero, 1.0, k), torch.where(zero, 0.0, -k / p[0] / r)
    if form == MATERN32:
        s, steepest = 3**0.5 * r / p[0], -3 / p[0] ** 2
        e = torch.exp(-s)
        return torch.where(zero, 1 + steepest / 2 * q, (1 + s) * e), steepest * torch.where(zero, 1.0, e)
    if form == MATERN52:
        s, steepest = 5**0.5 * r / p[0], -5 / (3 * p[0] ** 2)
        e = torch.exp(-s)
        k, g = (1 + s + s**2 / 3) * e, (1 + s) * e
        return torch.where(zero, 1 + steepest / 2 * q, k), steepest * torch.where(zero, 1.0, g)
    if form == MORSE:
        repel, attract = p[0] * torch.exp(-r / p[1]), p[2] * torch.exp(-r / p[3])
        k, g = repel - attract, (attract / p[3] - repel / p[1]) / r
        return torch.where(zero, p[0] - p[2], k), torch.where(zero, 0.0, g)
    if form == DISTANCE:
        return torch.where(zero, 0.0, r), torch.where(zero, 0.0, 1 / r)
    raise AssertionError(f"unknown form {form}")
