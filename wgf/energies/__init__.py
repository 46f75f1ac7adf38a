"""Energy terms: potentials, interactions, network risks and discrepancies."""

from .discrepancy import MMD, SlicedWasserstein
from .function import FunctionOf, from_function
from .interaction import Interaction
from .losses import CrossEntropy, Huber, Logistic, Loss, Squared
from .network import NetworkRisk
from .potential import Potential, Quadratic
from .units import TwoLayer, Unit

__all__ = [
    "MMD",
    "CrossEntropy",
    "FunctionOf",
    "Huber",
    "Interaction",
    "Logistic",
    "Loss",
    "NetworkRisk",
    "Potential",
    "Quadratic",
    "SlicedWasserstein",
    "Squared",
    "TwoLayer",
    "Unit",
    "from_function",
]
