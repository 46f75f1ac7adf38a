"""The ledger of a run: energies, forces, work and dissipation, one row per record."""

from .bookkeeper import Bookkeeper, Observer
from .table import COLUMNS, Ledger

__all__ = ["COLUMNS", "Bookkeeper", "Ledger", "Observer"]
