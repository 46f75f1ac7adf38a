"""The interface between a run and a scheme: the solver, its state and steps, and its view of the free energy."""

from .dynamics import Dynamics, checked, realised_by_noise
from .sending import Sent
from .solver import Slope, Solver, State, Step

__all__ = ["Dynamics", "Sent", "Slope", "Solver", "State", "Step", "checked", "realised_by_noise"]
