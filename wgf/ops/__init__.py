"""The numerical operations of the package: sums over pairs, moments, networks, transport along lines, random numbers.

An operation takes tensors and returns tensors. On the CPU compiled numba code runs, on a GPU Triton or plain torch. The
result has the same bits for every number of threads.
"""

from .compiling import while_compiling
from .coordinates import standardised, variances
from .discrepancy import stein_norm
from .few import combination, descend, mean_of_finite, spring
from .finite import all_finite
from .losses import cross_entropy
from .moments import ROUNDING, affine, inner, least_variance, moments, weighted_sum
from .neighbours import log_distance_slopes, neighbours
from .network import network_backward, network_forward, network_forward_backward
from .noise import langevin, normal, normal_law, uniform
from .pairwise import DIRECT_UP_TO, pair_body, pair_sums, stein_body, stein_direction
from .recording import recorded, slope_of_sum
from .sliced import (
    direction_blocks,
    directions,
    quantile_costs,
    sorted_projections,
    transport_maps,
    transport_potentials,
)
from .softmax import softmax_entropy
from .softmin import soft_minimum
from .threads import all_threads, one_blas_thread, one_torch_thread, small_steps

__all__ = [
    "DIRECT_UP_TO",
    "ROUNDING",
    "affine",
    "all_finite",
    "all_threads",
    "combination",
    "cross_entropy",
    "descend",
    "direction_blocks",
    "directions",
    "inner",
    "langevin",
    "least_variance",
    "log_distance_slopes",
    "mean_of_finite",
    "moments",
    "neighbours",
    "network_backward",
    "network_forward",
    "network_forward_backward",
    "normal",
    "normal_law",
    "one_blas_thread",
    "one_torch_thread",
    "pair_body",
    "pair_sums",
    "quantile_costs",
    "recorded",
    "slope_of_sum",
    "small_steps",
    "soft_minimum",
    "softmax_entropy",
    "sorted_projections",
    "spring",
    "standardised",
    "stein_body",
    "stein_direction",
    "stein_norm",
    "transport_maps",
    "transport_potentials",
    "uniform",
    "variances",
    "weighted_sum",
    "while_compiling",
]
