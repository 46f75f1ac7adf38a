"""What a run is measured by: the ledger, forces, the force report, entropy estimates and transport distances."""

from .collapse import CollapseIndex, collapse_of
from .entropy import effective_rank, gaussian_entropy, knn_entropy
from .force_report import ForceReport, force_report
from .gaussian import bures
from .reference import reference_alignment
from .regimes import Span, Thresholds
from .table import Ledger
from .transport import Transport, wasserstein

__all__ = [
    "CollapseIndex",
    "ForceReport",
    "Ledger",
    "Span",
    "Thresholds",
    "Transport",
    "bures",
    "collapse_of",
    "effective_rank",
    "force_report",
    "gaussian_entropy",
    "knn_entropy",
    "reference_alignment",
    "wasserstein",
]
