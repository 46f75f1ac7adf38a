"""The directions in which particles have no spread, judged by the rank of their covariance and not by their number."""

from __future__ import annotations

import torch
from torch import Tensor

from ..ops import ROUNDING, linalg
from .ensemble import Ensemble

NAMED = 3
"""So many coordinates or directions are named in a message."""


def without_spread(mu: Ensemble) -> str:
    """Name the directions in which the particles do not differ, without those that so few points cannot span anyway.

    Parameters
    ----------
    mu : Ensemble
        The particles (n, d). Those of weight zero do not count.

    Returns
    -------
    str
        Such as "coordinate 1" or "the direction (0.71, -0.71)"; empty where no coordinate is constant and the particles
        span min(d, n − 1) dimensions.

    Notes
    -----
    Judged in units of each coordinate, so that scales of 1 and 10⁻⁸ are no lack of rank. Coordinates are counted from
    0. The cost is one pass over the particles and O(d³).

    Examples
    --------
    >>> without_spread(Ensemble([[0.0, 1.0], [1.0, 1.0], [3.0, 1.0]]))
    'coordinate 1'
    >>> without_spread(Ensemble.gaussian(10, 2))
    ''
    """
    present = mu.weights > 0
    largest = mu.greatest(mu.x.abs().masked_fill(~present[:, None], 0.0)).double().cpu()
    covariance = mu.covariance().cpu()
    scale, rounding = covariance.diagonal().clamp(min=0.0).sqrt(), ROUNDING * torch.finfo(mu.dtype).eps
    flat = ~(scale > rounding * largest)
    moving = torch.nonzero(~flat)[:, 0]
    directions = torch.zeros(0, mu.dim, dtype=torch.float64)
    if len(moving):
        scale, largest = scale[moving], largest[moving]
        values, vectors = linalg.symmetric_eigen(covariance[moving][:, moving] / torch.outer(scale, scale))
        noise = (rounding * float((largest / scale).max())) ** 2  # of the coordinates; C has that of its own sums
        lost = values <= max(10 * mu.dim * torch.finfo(torch.float64).eps, noise)
        if int((~lost).sum()) < min(len(moving), mu.count(present) - 1):
            directions = _whole(vectors[:, lost].T / scale, moving, mu.dim)
    return _named(torch.nonzero(flat)[:, 0].tolist(), directions)


def _whole(directions: Tensor, moving: Tensor, dim: int) -> Tensor:
    """Directions (k, d) of length 1 from their components in the coordinates that move."""
    whole = torch.zeros(len(directions), dim, dtype=torch.float64)
    whole[:, moving] = directions
    return whole / whole.norm(dim=1, keepdim=True)


def _named(coordinates: list[int], directions: Tensor) -> str:
    """The coordinates and directions as text; no more than NAMED of each, and of a direction its largest parts."""
    parts = []
    if coordinates:
        shown = ", ".join(map(str, coordinates[:NAMED]))
        more = f" and {len(coordinates) - NAMED} more" if len(coordinates) > NAMED else ""
        parts.append(f"coordinate{'s' if len(coordinates) > 1 else ''} {shown}{more}")
    for direction in directions[:NAMED] if directions.shape[1] <= 4 else ():
        sign = 1.0 if float(direction[direction.abs().argmax()]) > 0 else -1.0
        parts.append(f"the direction ({', '.join(f'{sign * float(v):.2g}' for v in direction)})")
    unnamed = len(directions) - (NAMED if directions.shape[1] <= 4 else 0)
    if unnamed > 0:
        parts.append(f"{unnamed} direction{'s' if unnamed > 1 else ''} across coordinates")
    return ", ".join(parts)
