"""`solve`: from arguments to a plan, a loop and a solution."""

from .collapse_index import collapse_index
from .plan import Plan
from .progress import Progress, Row, counting, reporter
from .solution import Outcome, Solution, Status
from .solve import RECORDS, solve

__all__ = [
    "RECORDS",
    "Outcome",
    "Plan",
    "Progress",
    "Row",
    "Solution",
    "Status",
    "collapse_index",
    "counting",
    "reporter",
    "solve",
]
