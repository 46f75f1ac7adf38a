"""Energy terms: potentials, interactions, network risks and discrepancies."""

from .aggregates import Aggregate, Mean
from .discrepancy import MMD, SlicedWasserstein
from .function import FunctionOf, from_function
from .interaction import Interaction
from .ksd import KSD
from .least_squares import LeastSquares
from .losses import CrossEntropy, Huber, Logistic, Loss, Squared
from .network import NetworkRisk
from .potential import Potential, Quadratic
from .units import TwoLayer, Unit

__all__ = [
    "KSD",
    "MMD",
    "Aggregate",
    "CrossEntropy",
    "FunctionOf",
    "Huber",
    "Interaction",
    "LeastSquares",
    "Logistic",
    "Loss",
    "Mean",
    "NetworkRisk",
    "Potential",
    "Quadratic",
    "SlicedWasserstein",
    "Squared",
    "TwoLayer",
    "Unit",
    "from_function",
]
