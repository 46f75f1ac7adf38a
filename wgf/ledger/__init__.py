"""The ledger of a run: energies, forces, work and dissipation, one row per record."""

from .bookkeeper import Bookkeeper, Observer
from .lines import Lines
from .memory import BookMemory
from .table import COLUMNS, Ledger

__all__ = ["COLUMNS", "BookMemory", "Bookkeeper", "Ledger", "Lines", "Observer"]
