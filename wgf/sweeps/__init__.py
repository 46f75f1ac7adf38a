"""Many runs: grids of settings, jobs in parallel with their results kept, tables and pages of all runs."""

from .compare import Comparison, compare
from .function import Swept, sweep
from .grid import Grid
from .identity import identity
from .plan import Plan, load_plan
from .results import Results
from .runs import SweepResult, run_sweep
from .seeds import run_seeds
from .table import Table
from .work import Work

__all__ = [
    "Comparison",
    "Grid",
    "Plan",
    "Results",
    "SweepResult",
    "Swept",
    "Table",
    "Work",
    "compare",
    "identity",
    "load_plan",
    "run_seeds",
    "run_sweep",
    "sweep",
]
