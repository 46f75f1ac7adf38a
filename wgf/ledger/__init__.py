"""The ledger of a run: energies, forces, work and dissipation, one row per record."""

from .booking import Driven
from .bookkeeper import Bookkeeper
from .lines import Lines, read_records
from .memory import BookMemory
from .observing import Observer
from .table import COLUMNS, Ledger

__all__ = [
    "COLUMNS",
    "BookMemory",
    "Bookkeeper",
    "Driven",
    "Ledger",
    "Lines",
    "Observer",
    "read_records",
]
