"""The interface between a run and a scheme: the solver, its state and steps, and its view of the free energy."""

from ..storage import remembered
from . import stored as _stored  # noqa: F401  registers State among what can be stored
from .dynamics import Dynamics, checked, realised_by_noise
from .sending import Sent
from .solver import Slope, Solver, Step
from .state import State

__all__ = ["Dynamics", "Sent", "Slope", "Solver", "State", "Step", "checked", "realised_by_noise", "remembered"]
