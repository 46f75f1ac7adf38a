"""Measure the error of an approximate sum against the sum over all pairs, on some of the particles."""

from __future__ import annotations

from dataclasses import dataclass, field

from .choice import Summation, choose
from .sums import Sums, relative_error

TARGETS = 256
"""Points at which the sums over all pairs are taken for the comparison."""


@dataclass(frozen=True)
class Check:
    """The result of `check`.

    Attributes
    ----------
    method : str
        The method that was used.
    note : str
        How it was chosen, and its size.
    error : float or None
        The relative error, as `relative_error` defines it. None for an exact method, whose error is rounding.
    allowed : float
        The error that was allowed.
    measure : str
        What the error is, in words.
    advice : str
        What is said of an error beyond the allowed one; by default a sentence about sums over pairs.
    """

    method: str
    note: str
    error: float | None
    allowed: float
    measure: str = field(default="relative, at 256 particles against all pairs", repr=False)
    advice: str = field(default="", repr=False)


def check(sums: Sums, how: Summation) -> Check:
    """Take the sums, and compare an approximate result with sums over all pairs.

    Parameters
    ----------
    sums : Sums
        The sums to take; all numbers finite.
    how : Summation
        The method and the relative error allowed.

    Returns
    -------
    Check
        The method and its error, on 256 points spread over x.

    Raises
    ------
    ConfigError, BackendError
        As `kernel_sums`.

    Notes
    -----
    The comparison costs 256·n pairs. Exact methods are not summed at all.

    Examples
    --------
    >>> import torch
    >>> from wgf.kernels import Gaussian
    >>> from wgf.summation import Summation, Sums, check
    >>> x = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    >>> weights = torch.full((50,), 0.02, dtype=torch.float64)
    >>> check(Sums(Gaussian(1.0), x, x, weights, True), Summation("dense"))
    Check(method='dense', note='all pairs', error=None, allowed=1e-06)
    """
    choice = choose(sums, how)
    if choice.method != "fourier":
        return Check(choice.method, choice.note, None, how.rtol)
    value, gradient = choice.run()
    rows, want, slope = sums.some(TARGETS)
    error = relative_error(value[rows], want, gradient[rows].double(), slope)
    return Check(choice.method, choice.note, error, how.rtol)
