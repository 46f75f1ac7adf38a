"""Many runs: grids of settings, jobs in parallel with their results kept, tables and pages of all runs."""

from .function import Swept, sweep
from .grid import Grid
from .identity import identity
from .results import Results
from .table import Table
from .work import Work

__all__ = ["Grid", "Results", "Swept", "Table", "Work", "identity", "sweep"]
