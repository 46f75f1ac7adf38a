"""Arrays in, arrays out: pairwise sums, moments, network pass and noise, with the same bits for any thread count."""

from .dispatch import affine, covariance, network_backward, network_forward, pair_sums, random, weighted_sum
from .threads import one_blas_thread, one_torch_thread

__all__ = [
    "affine",
    "covariance",
    "network_backward",
    "network_forward",
    "one_blas_thread",
    "one_torch_thread",
    "pair_sums",
    "random",
    "weighted_sum",
]
