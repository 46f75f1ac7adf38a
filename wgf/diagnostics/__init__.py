"""What a run is measured by: the ledger, forces, entropy estimates and transport distances."""

from .entropy import effective_rank, gaussian_entropy, knn_entropy
from .gaussian import bures
from .table import Ledger
from .transport import Transport, wasserstein

__all__ = ["Ledger", "Transport", "bures", "effective_rank", "gaussian_entropy", "knn_entropy", "wasserstein"]
