"""What the books of a run remember between steps, in a form that a file can hold."""

from __future__ import annotations

from dataclasses import dataclass

from ..protocol import remembered
from .balance import Balance
from .booking import Booked


@remembered
@dataclass(frozen=True, eq=False)
class BookMemory:
    """What a `Bookkeeper` remembers. Books that take it over go on exactly, so the ledger of both runs is one table.

    Attributes
    ----------
    rows : int
        The number of records so far.
    notes : dict of str to str
        The notes of the ledger.
    evaluations : int
        The number of evaluations of ∇_W F so far.
    booked : Booked
        The sums over the steps since the last record.
    last : dict of str to float
        The last record, without observers.
    balance : Balance
        The sums since the start.
    by_steps, estimated : bool
        Whether the scheme integrates D over its steps, and whether F and D are estimated at records.
    every : int
        The largest number of steps between two records.
    told : tuple of str
        The terms whose inexact sums were told by a warning.
    start_error, last_shannon : float
        The standard error of F at the start, and the Shannon entropy at the last record; NaN for none.
    """

    rows: int
    notes: dict[str, str]
    evaluations: int
    booked: Booked
    last: dict[str, float]
    balance: Balance
    by_steps: bool
    estimated: bool
    every: int
    told: tuple[str, ...]
    start_error: float
    last_shannon: float
