"""Functionals of the measure, their sums, coefficients that depend on time, and the drives that change them."""

from .coefficient import ROUNDING, Coefficient, number_at
from .drive import Control, Drive, DrivenFunctional, Memories, View
from .evaluation import Evaluation
from .functional import FreeEnergy, FreeEnergyEvaluation, Functional, Resolved, Term, TermEvaluation
from .rules import Kept, Rules, description, recalled
from .steering import Steering
from .warm_started import Solved, WarmStarted
from .work import Work

__all__ = [
    "ROUNDING",
    "Coefficient",
    "Control",
    "Drive",
    "DrivenFunctional",
    "Evaluation",
    "FreeEnergy",
    "FreeEnergyEvaluation",
    "Functional",
    "Kept",
    "Memories",
    "Resolved",
    "Rules",
    "Solved",
    "Steering",
    "Term",
    "TermEvaluation",
    "View",
    "WarmStarted",
    "Work",
    "description",
    "number_at",
    "recalled",
]
