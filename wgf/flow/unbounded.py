"""Tell a free energy without a lower bound, such as a potential of the wrong sign, from a step that is too large."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

from ..energies import Potential
from ..errors import WgfWarning
from ..functional import Term, TermEvaluation

FELL = 1e6
"""A term counts as without a lower bound once it is so many times further below 0 than it was at the start."""


def falling(terms: Iterable[TermEvaluation], first: Mapping[str, float]) -> str:
    """Say which term of F runs to −∞, and what is wrong with it.

    An unstable step makes a term that is bounded below grow. So a term far below its start is no matter of dt.

    Parameters
    ----------
    terms : iterable of TermEvaluation
        The last good evaluations of the terms.
    first : mapping of str to float
        The first record of the ledger.

    Returns
    -------
    str
        A sentence; empty where no term runs to −∞.
    """
    for part in terms:
        name = part.term.name
        start = first.get(f"term:{name}", 0.0)
        now = part.term.coefficient.number * float(part.value)
        if now < -FELL * (1.0 + abs(start)):
            return f"{name} fell from {start:.3g} to {now:.3g}, so F has no lower bound: {_advice(part.term)}"
    return ""


def _advice(term: Term) -> str:
    """What to do about a term that has no lower bound."""
    if isinstance(term.functional, Potential):
        return "a Potential takes V = -log p, not log p."
    if term.functional.is_entropy:
        return "lower the temperature or add a stronger confinement."
    return "check its sign, or add a confinement."


def warn_of_falling(terms: Iterable[TermEvaluation], first: Mapping[str, float]) -> None:
    """Warn where a term of F ran so far down that it may have no lower bound; `first` is the first record."""
    reason = falling(terms, first)
    if reason:
        warnings.warn(reason, WgfWarning, stacklevel=4)
