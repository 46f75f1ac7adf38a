"""The books of a run: energies, forces, work and dissipation, one row per record."""

from .bookkeeper import COLUMNS, Bookkeeper, Observer
from .table import Ledger

__all__ = ["COLUMNS", "Bookkeeper", "Ledger", "Observer"]
