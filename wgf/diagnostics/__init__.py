"""What a run is measured by: the ledger, forces, entropy estimates and transport distances."""

from .entropy import effective_rank, gaussian_entropy, knn_entropy
from .gaussian import bures
from .information import GapBound, channel_information, gap_bounds, information_bound
from .table import Ledger
from .transport import Transport, wasserstein

__all__ = [
    "GapBound",
    "Ledger",
    "Transport",
    "bures",
    "channel_information",
    "effective_rank",
    "gap_bounds",
    "gaussian_entropy",
    "information_bound",
    "knn_entropy",
    "wasserstein",
]
