"""Wasserstein gradient flows of particle ensembles, with the thermodynamics of the run.

A free energy is written as it stands on paper, `F = risk + 1e-3 * Quadratic() - T * LogDet()`; `solve` follows its
gradient flow and keeps the ledger. Method: Human-Centered Learning Mechanics, arXiv:2605.22940.
"""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

# a source tree, where solvers/ and benchmarks/ stand beside wgf/: `python` started in a clone
if find_spec("wgf.solvers") is None or find_spec("wgf.benchmarks") is None:
    __path__.append(str(Path(__file__).parent.parent))

from . import data, diagnostics, domains, drives, errors, kernels, regularizers, solvers
from .energies import (
    KSD,
    MMD,
    Interaction,
    LeastSquares,
    NetworkRisk,
    Potential,
    Quadratic,
    SlicedWasserstein,
    Unit,
    from_function,
)
from .entropies import Blob, LogDet, LogVariance, Power, Shannon, Softmax, Variance
from .flow import Solution, Status, collapse_index, solve
from .functional import FreeEnergy, Functional
from .measure import Ensemble, Noise

try:
    __version__ = version("wgflow")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

__all__ = [
    "KSD",
    "MMD",
    "Blob",
    "Ensemble",
    "FreeEnergy",
    "Functional",
    "Interaction",
    "LeastSquares",
    "LogDet",
    "LogVariance",
    "NetworkRisk",
    "Noise",
    "Potential",
    "Power",
    "Quadratic",
    "Shannon",
    "SlicedWasserstein",
    "Softmax",
    "Solution",
    "Status",
    "Unit",
    "Variance",
    "collapse_index",
    "data",
    "diagnostics",
    "domains",
    "drives",
    "errors",
    "from_function",
    "kernels",
    "regularizers",
    "solve",
    "solvers",
]


def __dir__() -> list[str]:
    return sorted(__all__)
