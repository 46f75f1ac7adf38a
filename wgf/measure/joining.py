"""The moments of two parts of an ensemble, joined without loss of digits (Chan, Golub & LeVeque 1979)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Join = Callable[[Tensor, Tensor], Tensor]


def pack_moments(mass: Tensor, centre: Tensor, scatter: Tensor) -> Tensor:
    """Mass, centre and the lower half of the scatter matrix as one row of 1 + d + d(d + 1)/2 numbers."""
    rows, columns = torch.tril_indices(len(centre), len(centre), device=scatter.device)
    return torch.cat([mass.reshape(1), centre, scatter[rows, columns]])


def pack_variances(mass: Tensor, centre: Tensor, squares: Tensor) -> Tensor:
    """Mass, centre and squares about it as one row of 1 + 2d numbers."""
    return torch.cat([mass.reshape(1), centre, squares])


def unpack_moments(packed: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Centre (d,) and scatter (d, d) of packed moments."""
    rows, columns = torch.tril_indices(dim, dim, device=packed.device)
    scatter = packed.new_empty(dim, dim)
    scatter[rows, columns] = scatter[columns, rows] = packed[1 + dim :]
    return packed[1 : 1 + dim], scatter


def join_moments(dim: int) -> Join:
    """What joins two rows of `pack_moments` in d dimensions."""
    rows, columns = torch.tril_indices(dim, dim)

    def join(one: Tensor, other: Tensor) -> Tensor:
        out, apart, mean = _joined(one, other, dim)
        out[1 + dim :] += mean * apart[rows] * apart[columns]
        return out

    return join


def join_variances(dim: int) -> Join:
    """What joins two rows of mass, centre (d,) and squares about the centre (d,)."""

    def join(one: Tensor, other: Tensor) -> Tensor:
        out, apart, mean = _joined(one, other, dim)
        out[1 + dim :] += mean * apart.square()
        return out

    return join


def _joined(one: Tensor, other: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """The sum with its mass and centre right, what lies between the two centres, and m₁ m₂/(m₁ + m₂)."""
    out = one + other
    whole = torch.where(out[0] == 0, torch.ones_like(out[0]), out[0])
    part, apart = other[0] / whole, other[1 : 1 + dim] - one[1 : 1 + dim]
    out[1 : 1 + dim] = one[1 : 1 + dim] + part * apart
    return out, apart, one[0] * part
