"""Analyses of a finished run: force report, collapse index, transport distances, decay rates, information bounds."""

from ..entropies.estimators import effective_rank, gaussian_entropy, knn_entropy
from ..ledger import Ledger
from ..ledger.reference import reference_alignment
from .chains import EffectiveSize, chains, ess
from .collapse import CollapseIndex, collapse_of
from .force_report import ForceReport, force_report
from .gaussian import bures
from .geodesic import geodesic
from .information import GapBound, channel_information, gap_bounds, information_bound
from .regimes import Span, Thresholds
from .transport import Transport, wasserstein

__all__ = [
    "CollapseIndex",
    "EffectiveSize",
    "ForceReport",
    "GapBound",
    "Ledger",
    "Span",
    "Thresholds",
    "Transport",
    "bures",
    "chains",
    "channel_information",
    "collapse_of",
    "effective_rank",
    "ess",
    "force_report",
    "gap_bounds",
    "gaussian_entropy",
    "geodesic",
    "information_bound",
    "knn_entropy",
    "reference_alignment",
    "wasserstein",
]
