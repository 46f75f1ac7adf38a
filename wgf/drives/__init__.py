"""What acts on the free energy from outside: shift, resources, risk, feedback, schedules, control.

What depends on t alone (schedules, risks, shifts) acts within a step; what follows the run (`Budget`, `Controller`) or
happens at a time (`Swap`, `Preferences`) acts between steps. The ledger books all of it as work.
"""

from .budget import Budget, Displacement, EvaluationCap
from .controller import Controller
from .feedback import Preferences
from .risk import CVaR, EntropicRisk, MeanVariance
from .schedules import Constant, Cosine, Exponential, Linear, Piecewise, Schedule, Steps, Warmup
from .shift import CovariateShift, LabelShift, Swap

__all__ = [
    "Budget",
    "CVaR",
    "Constant",
    "Controller",
    "Cosine",
    "CovariateShift",
    "Displacement",
    "EntropicRisk",
    "EvaluationCap",
    "Exponential",
    "LabelShift",
    "Linear",
    "MeanVariance",
    "Piecewise",
    "Preferences",
    "Schedule",
    "Steps",
    "Swap",
    "Warmup",
]
