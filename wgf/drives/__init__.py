"""Drives: what changes the free energy from outside, such as schedules, distribution shift, risk and constraints.

What depends on the time t alone (schedules, risks, shifts) acts within a step. What follows the run (`Budget`,
`Controller`) or happens at a given time (`Swap`, `Preferences`) acts between steps. The ledger books all of it as work.
"""

from typing import TYPE_CHECKING

from ..extension import Registry
from .budget import Budget as Budget
from .budget import Displacement as Displacement
from .cap import EvaluationCap as EvaluationCap
from .controller import Controller as Controller
from .feedback import Preferences as Preferences
from .listed import Piecewise as Piecewise
from .listed import Steps as Steps
from .risk import CVaR as CVaR
from .risk import EntropicRisk as EntropicRisk
from .risk import MeanVariance as MeanVariance
from .schedules import Constant as Constant
from .schedules import Cosine as Cosine
from .schedules import Exponential as Exponential
from .schedules import Linear as Linear
from .schedules import Schedule as Schedule
from .schedules import Warmup as Warmup
from .shift import CovariateShift as CovariateShift
from .shift import LabelShift as LabelShift
from .shift import Swap as Swap

REGISTRY: Registry[object] = Registry("drive", object, globals(), without=(Registry, Schedule))
"""Every drive and schedule by its name. A new drive is one file and one import line above."""

if not TYPE_CHECKING:  # a type checker goes by the imports above
    __all__ = ["REGISTRY", "Schedule", *REGISTRY]
