"""The coefficient of a term in a free energy: a number times functions of time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ConfigError, shown

ROUNDING = 1e-12
"""Temperatures between −ROUNDING and 0 count as 0: a schedule that ends at 0 may miss it by rounding."""


def number_at(name: str, value: float | Callable[[float], float], t: float) -> float:
    """Take a setting that may depend on time, and give its value at time t.

    Parameters
    ----------
    name : str
        The name of the setting, for messages.
    value : float or callable
        A number, or a function of t that returns one.
    t : float
        The time, in flow time.

    Returns
    -------
    float
        The value at t. A number is returned as it is.

    Raises
    ------
    ConfigError
        If the function fails at t or returns no finite number.

    Examples
    --------
    >>> number_at("rate", lambda t: 2.0 * t, t=3.0)
    6.0
    """
    if not callable(value):
        return value
    try:
        number = float(value(t))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ConfigError(f"{name} failed at t = {t:g} ({error}): wanted a number.") from error
    if not math.isfinite(number):
        raise ConfigError(f"{name} is {number} at t = {t:g}: wanted a finite number.")
    return number


@dataclass(frozen=True)
class Coefficient:
    """The coefficient c(t) of a term: a number times functions of time.

        c(t) = number · f₁(t) · f₂(t) · …

    Users write it by multiplication, as in `0.1 * schedule * Quadratic()`.

    Attributes
    ----------
    number : float
        The constant factor.
    functions : tuple of callable
        The factors that depend on t. A `Control` among them has a value only during a run.

    Examples
    --------
    >>> c = Coefficient(2.0).times(lambda t: t)
    >>> c.at(3.0).number
    6.0
    """

    number: float = 1.0
    functions: tuple[Callable[[float], float], ...] = ()

    def times(self, factor: Any) -> Coefficient:
        """Multiply by a number or by a function of time.

        Parameters
        ----------
        factor : float or callable
            A finite number, or a function of t.

        Returns
        -------
        Coefficient
            The product.

        Raises
        ------
        ConfigError
            If `factor` is neither.
        """
        if callable(factor):
            return replace(self, functions=(*self.functions, factor))
        try:
            number = math.nan if isinstance(factor, (str, bool)) else float(factor)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise ConfigError(f"coefficient {shown(factor)}: wanted a finite number or a callable of t.")
        return replace(self, number=self.number * number)

    def at(self, t: float) -> Coefficient:
        """Evaluate the coefficient at time t.

        Parameters
        ----------
        t : float
            The time, in flow time.

        Returns
        -------
        Coefficient
            A coefficient without functions.

        Raises
        ------
        ConfigError
            If a factor fails or is not finite at t.
        """
        number = self.number
        for function in self.functions:
            number *= number_at("a coefficient", function, t)
        if not math.isfinite(number):
            raise ConfigError(f"a coefficient is {number} at t = {t:g}: wanted a finite number.")
        return Coefficient(number)

    def as_temperature(self, name: str, t: float) -> Coefficient:
        """Check that this constant coefficient is −T with T ≥ 0, as the coefficient of an entropy must be.

        Parameters
        ----------
        name : str
            The name of the entropy, for the message.
        t : float
            The time at which the coefficient was evaluated, for the message.

        Returns
        -------
        Coefficient
            The same coefficient; 0 where T is negative by rounding only.

        Raises
        ------
        ConfigError
            If T is negative.
        """
        if self.number <= 0:
            return self
        if self.number <= ROUNDING:
            return Coefficient(-0.0)
        raise ConfigError(
            f"temperature {-self.number:g} of {name} at t = {t:g}: wanted T ≥ 0 "
            f"(an entropy enters the free energy as - T * {name})."
        )

    def __str__(self) -> str:
        factors = [getattr(f, "__name__", repr(f)).replace("<lambda>", "c") + "(t)" for f in self.functions]
        return " ".join(([] if self.number == 1.0 and factors else [f"{self.number:g}"]) + factors)
