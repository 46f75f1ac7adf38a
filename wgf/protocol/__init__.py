"""What a solver is, what it may ask of the free energy, and how it refuses what it cannot do."""

from .dynamics import Dynamics, checked, realised_by_noise
from .sending import Sent
from .solver import Slope, Solver, State, Step

__all__ = ["Dynamics", "Sent", "Slope", "Solver", "State", "Step", "checked", "realised_by_noise"]
