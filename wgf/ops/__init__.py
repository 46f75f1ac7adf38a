"""Arrays in, arrays out: pairwise sums, moments, network pass and noise, with the same bits for any thread count."""

from .moments import affine, covariance, weighted_sum
from .network import network_backward, network_forward
from .noise import langevin, normal, uniform
from .pairwise import pair_sums
from .threads import one_blas_thread, one_torch_thread

__all__ = [
    "affine",
    "covariance",
    "langevin",
    "network_backward",
    "network_forward",
    "normal",
    "one_blas_thread",
    "one_torch_thread",
    "pair_sums",
    "uniform",
    "weighted_sum",
]
