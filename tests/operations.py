"""Every operation of `wgf.ops` with arguments of its own."""

from __future__ import annotations

import numpy as np
import torch

from wgf import ops
from wgf.ops import activations, forms


def operations():
    """Every operation with arguments of its own, in float32 where the particles' dtype shows."""
    rng = np.random.default_rng(2)

    def real(*shape, dtype=torch.float32):
        return torch.from_numpy(rng.normal(size=shape)).to(dtype)

    w = torch.full((20,), 0.05, dtype=torch.float64)
    x, theta, z = real(20, 3), real(20, 8), real(30, 4)
    mean = ops.weighted_sum(w, x)
    frames = ops.directions(3, 6, 0)
    line = (
        *ops.sorted_projections(x, w, frames, True),
        *ops.sorted_projections(real(9, 3), w[:9] / 0.45, frames, False),
    )
    return {
        "pair_sums": (ops.pair_sums, (x, real(20, 3), w, forms.GAUSSIAN, [0.7], 0.1, False)),
        "stein_direction": (ops.stein_direction, (x, x, w, real(20, 3), forms.GAUSSIAN, [0.7], 0.1)),
        "weighted_sum": (ops.weighted_sum, (w, x)),
        "inner": (ops.inner, (w, x, real(20, 3))),
        "moments": (ops.moments, (x, w)),
        "neighbours": (ops.neighbours, (x, real(9, 3), 2, False)),
        "log_distance_slopes": (ops.log_distance_slopes, (x, w, *ops.neighbours(x, x, 2, True)[::-1])),
        "all_finite": (ops.all_finite, (x,)),
        "affine": (ops.affine, (x, mean, real(3, 5, dtype=torch.float64))),
        "network_forward": (ops.network_forward, (theta, w, z, 3, activations.TANH)),
        "network_backward": (ops.network_backward, (theta, z, real(30, 3), activations.TANH)),
        "sorted_projections": (ops.sorted_projections, (x, w, frames, False)),
        "quantile_costs": (ops.quantile_costs, line),
        "transport_maps": (ops.transport_maps, (x, w, frames, True, *line[2:])),
        "transport_potentials": (ops.transport_potentials, (x, w, frames, False, *line[2:], real(4, 3))),
        "uniform": (ops.uniform, (torch.arange(20), [1, 2], 3, 0, 5)),
        "normal": (ops.normal, (torch.arange(20), [1, 2], 3, 0, 5, torch.float32)),
        "langevin": (ops.langevin, (x, real(20, 3), torch.arange(20), [1, 2], 3, 0, 0.1, 0.2)),
        "variances": (ops.variances, (x, w)),
        "standardised": (ops.standardised, (x, mean, real(3, dtype=torch.float64))),
        "soft_minimum": (ops.soft_minimum, (x, real(9, 3), torch.log(w[:9]), torch.zeros(20).double(), 0.5, True)),
        "softmax_entropy": (ops.softmax_entropy, (x, 0.7)),
    }
