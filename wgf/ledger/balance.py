"""The balance of a run: the free energy released against the dissipation, and how sure their ratio is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..protocol import remembered
from .booking import Booked

CLOSURE_LIMIT = 0.10
"""A run with |ΣQ/Σ h D̄ − 1| above this limit, and above SURE standard errors, ends with a warning."""
SURE = 3.0


@remembered
@dataclass(frozen=True)
class Interval:
    """The time between two records, for sums that need the records only.

    Attributes
    ----------
    t : (float, float)
        The times of the two records.
    rates : (float, float)
        The dissipation D at both.
    entropies : (float, float)
        The Shannon entropy S at both; NaN where noise realises none.
    heating, moment : float
        Σ ΔT and Σ ΔT (t − t₀) of the noise between them, as in `Booked`.
    """

    t: tuple[float, float]
    rates: tuple[float, float]
    entropies: tuple[float, float] = (math.nan, math.nan)
    heating: float = 0.0
    moment: float = 0.0

    @property
    def length(self) -> float:
        """The time between the two records."""
        return self.t[1] - self.t[0]

    @property
    def dissipated(self) -> float:
        """∫ D dt by the trapezoidal rule."""
        return 0.5 * self.length * sum(self.rates)

    @property
    def work(self) -> float:
        """The work −∫ S dT, for an S that is linear in t."""
        if self.heating == self.moment == 0.0:
            return 0.0
        slope = (self.entropies[1] - self.entropies[0]) / self.length
        return -(self.entropies[0] * self.heating + slope * self.moment)

    def followed_by(self, later: Interval) -> Interval:
        """This interval and the next as one, without the record between them."""
        moment = self.moment + later.moment + later.heating * self.length
        t, rates = (self.t[0], later.t[1]), (self.rates[0], later.rates[1])
        return Interval(t, rates, (self.entropies[0], later.entropies[1]), self.heating + later.heating, moment)


@remembered
@dataclass
class Quadrature:
    """How well the records resolve what is integrated between them: all records against every other one.

        error = |Σ (I_h − I_2h)|, at least √Σ (I_h − I_2h)²

    I_h and I_2h are the trapezoidal sums over two neighbouring intervals with and without the record in the middle. For
    a sum of decaying exponentials this is never below the error of I_h. An interval that has no partner yet counts
    ½ h |ΔD|, the bound for a monotone D.
    """

    signed: float = 0.0
    squares: float = 0.0
    bounds: float = 0.0
    alone: Interval | None = None
    pairs: int = 0

    def add(self, interval: Interval) -> None:
        """Add the next interval."""
        first = self.alone
        if first is None or first.t[1] != interval.t[0]:
            if first is not None:  # records in between had no estimate
                self.bounds += _bound(first)
            self.alone = interval
            return
        both = first.followed_by(interval)
        self._count(first.dissipated + interval.dissipated - both.dissipated)
        self._count(both.work - first.work - interval.work)  # a larger work acts on Q/Σ h D̄ as a smaller D
        self.alone = None
        self.pairs += 1

    def _count(self, change: float) -> None:
        if not math.isnan(change):
            self.signed, self.squares = self.signed + change, self.squares + change * change

    @property
    def error(self) -> float:
        """The error of what was integrated so far, in units of F."""
        last = 0.0 if self.alone is None else _bound(self.alone)
        return max(abs(self.signed), math.sqrt(self.squares)) + self.bounds + last


def _bound(interval: Interval) -> float:
    """The largest error of the trapezoidal rule in one interval for a D and an S that are monotone."""
    change = abs(interval.rates[1] - interval.rates[0]) * interval.length
    heat = 0.0 if interval.heating == 0.0 else abs(interval.heating * (interval.entropies[1] - interval.entropies[0]))
    return 0.5 * (change + heat)


@remembered
@dataclass
class Balance:
    """Sums since the start of a run.

    Attributes
    ----------
    released, dissipated : float
        ΣQ and Σ h D̄, over the intervals in which both are known.
    scatter : float
        The standard error of ΣQ: that of F at both ends, or with minibatches √(½ Σ (r_{k+1} − r_k)²), where
        r_k = Q_k − h D̄_k of an interval. NaN for a single interval.
    smoothing : float
        The error bar of D, of two standard errors, integrated.
    usual, last_usual, usual_error : float
        The usual error of D, integrated, at the last record and at this one: the bar without what windows of the
        estimate may miss. NaN where it is that of the row.
    quadrature : Quadrature
        How well the records resolve D, where it is integrated between records.
    """

    released: float = 0.0
    dissipated: float = 0.0
    scatter: float = 0.0
    smoothing: float = 0.0
    usual: float = 0.0
    last_usual: float = 0.0
    usual_error: float = math.nan
    quadrature: Quadrature = field(default_factory=Quadrature)
    _rest: float = math.nan
    _squares: float = math.nan

    def add(self, released: float, dissipated: float) -> bool:
        """Add an interval. False where it is left out, because F or D is not known in it."""
        if math.isnan(released) or math.isnan(dissipated):
            return False
        self.released += released
        self.dissipated += dissipated
        before, self._rest = self._rest, released - dissipated
        if not math.isnan(before):
            self._squares = (0.0 if math.isnan(self._squares) else self._squares) + 0.5 * (self._rest - before) * (
                self._rest - before
            )
        return True

    @property
    def irregular(self) -> float:
        """The scatter of ΣQ − Σ h D̄, from how much Q − h D̄ differs between neighbouring intervals; with minibatches."""
        return math.sqrt(self._squares)

    @property
    def estimated(self) -> float:
        """The usual uncertainty of the estimates of F and D, one standard error of each, in units of F."""
        return self.scatter + 0.5 * self.usual

    @property
    def error(self) -> float:
        """The error bar of the closure, (scatter + error of D + quadrature error) / Σ h D̄."""
        return (
            (self.scatter + self.smoothing + self.quadrature.error) / self.dissipated
            if self.dissipated > 0
            else math.nan
        )

    def complaint(self, closure: float, by_steps: bool, every: int, wanted: bool = True) -> str:
        """What a closure says about the run, with advice; empty where all is well.

        Parameters
        ----------
        closure : float
            The closure of the whole run.
        by_steps : bool
            Whether the scheme itself integrated D over its steps.
        every : int
            The largest number of steps between two records.
        wanted : bool, default True
            Whether the user has chosen the records. Else their distance alone is no reason to complain: `error` has it.

        Returns
        -------
        str
            The complaint.
        """
        if math.isnan(closure) or not abs(closure) > CLOSURE_LIMIT:
            return ""
        if not abs(closure) * self.dissipated > SURE * self.estimated:
            return ""
        if by_steps:
            return _complaint(closure, "a smaller dt resolves the flow better.")
        if not self.quadrature.pairs:  # the first and the last record alone: D is not integrated at all
            return ""
        resolved = self.quadrature.error / self.dissipated
        if every == 1:
            return _complaint(closure, "a smaller dt resolves the flow better.")
        if resolved < 0.5 * abs(closure):
            return _complaint(closure, f"a smaller dt resolves the flow better; more records change {resolved:.1%}.")
        if not wanted:
            return ""
        return _complaint(
            closure,
            f"the records are too far apart for its dissipation (±{resolved:.1%}); more records, by a smaller "
            "record_every, show whether dt is small enough.",
        )


def _complaint(closure: float, advice: str) -> str:
    return (
        f"closure {closure:+.1%}: the free energy released differs from the dissipation by more than "
        f"{CLOSURE_LIMIT:.0%} over the run; {advice}"
    )


def interval(
    last: Mapping[str, float], row: Mapping[str, float], booked: Booked, entropies: tuple[float, float]
) -> tuple[Interval, float]:
    """The time between two rows as an `Interval`, and the error bar of D integrated over it.

    An estimate of D counts as it is, below its error bar too: what is cut off there would be missing in a long sum.
    """
    ends = last, row
    rates = last["dissipation"], row["dissipation"]
    between = Interval((last["t"], row["t"]), rates, entropies, booked.heating, booked.heating_moment)
    unsure = 0.5 * between.length * sum(end.get("dissipation_error", 0.0) for end in ends)
    return between, 0.0 if math.isnan(unsure) else unsure


def total_energy(row: Mapping[str, float]) -> float:
    """F plus the kinetic energy of solvers with momenta."""
    return row["free_energy"] + row.get("kinetic", 0.0)


def ratio(released: float, dissipated: float, floor: float) -> float:
    """Q/(h D̄) − 1, or NaN where the dissipation is only rounding error."""
    return released / dissipated - 1.0 if dissipated > floor else math.nan
