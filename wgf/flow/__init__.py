"""Running a flow: `solve` checks its arguments, builds a run, carries it out and returns a solution."""

from .callbacks import Callback
from .collapse_index import collapse_index
from .monitor import Monitor, Row
from .plan import Plan
from .progress import counting, reporter
from .resume import load, resume
from .solution import Outcome, Solution, Status
from .solve import solve
from .timing import Timing

__all__ = [
    "Callback",
    "Monitor",
    "Outcome",
    "Plan",
    "Row",
    "Solution",
    "Status",
    "Timing",
    "collapse_index",
    "counting",
    "load",
    "reporter",
    "resume",
    "solve",
]
