"""Arrays in, arrays out: pairwise sums, moments, network pass and noise, with the same bits for any thread count."""

from .moments import affine, covariance, weighted_sum
from .network import network_backward, network_forward, network_sweep
from .noise import random
from .pairwise import pair_sums, stein_direction
from .threads import one_blas_thread, one_torch_thread

__all__ = [
    "affine",
    "covariance",
    "network_backward",
    "network_forward",
    "network_sweep",
    "one_blas_thread",
    "one_torch_thread",
    "pair_sums",
    "random",
    "stein_direction",
    "weighted_sum",
]
