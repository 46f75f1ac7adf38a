"""A cloud of particles on a torus, seen from its own centre."""

from __future__ import annotations

import math

import torch

from .. import ops
from ..ops.reference import nearest_image
from .ensemble import Ensemble


def unwrapped(mu: Ensemble) -> Ensemble:
    """The particles around their own centre: each coordinate in the period that is centred at its circular mean.

    Moving all particles along the torus moves the result and changes no difference in it, so that means, covariances
    and bandwidths of it do not depend on the place of the seam. In all of space it is the ensemble itself.
    """
    if mu.period is None:
        return mu
    period = mu.period.to(mu.x)
    with ops.one_torch_thread():
        angle = mu.x.double() * (2 * math.pi / mu.period.to(mu.device))
        both = mu.expect(torch.cat([torch.cos(angle), torch.sin(angle)], 1)).reshape(2, -1)
        centre = (torch.atan2(both[1], both[0]) / (2 * math.pi)).to(mu.x) * period
    return mu.moved(centre + nearest_image(mu.x - centre, period)).on(None)
