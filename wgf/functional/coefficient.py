"""Terms of a free energy: coefficients that may depend on t, and names that the ledger uses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ConfigError, shown

ROUNDING = 1e-12
"""A temperature above −ROUNDING is zero: a schedule that ends at 0 may miss it by the rounding of t."""


def number_at(name: str, value: float | Callable[[float], float], t: float) -> float:
    """A number, or what a schedule gives at time t; ConfigError where that is no finite number."""
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
    """number · Π functions(t)."""

    number: float = 1.0
    functions: tuple[Callable[[float], float], ...] = ()

    def times(self, factor: Any) -> Coefficient:
        """Multiplied by a number or a callable of t."""
        if callable(factor):
            return replace(self, functions=(*self.functions, factor))
        try:
            number = math.nan if isinstance(factor, (str, bool)) else float(factor)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ConfigError(f"coefficient {shown(factor)}: wanted a finite number or a callable of t.")
        return replace(self, number=self.number * number)

    def at(self, t: float) -> Coefficient:
        """Frozen at time t; a value that is not a finite number is a ConfigError naming t."""
        number = self.number
        for function in self.functions:
            number *= number_at("a coefficient", function, t)
        if not math.isfinite(number):
            raise ConfigError(f"a coefficient is {number} at t = {t:g}: wanted a finite number.")
        return Coefficient(number)

    def as_temperature(self, name: str, t: float) -> Coefficient:
        """−T of the entropy `name`, frozen at t; ConfigError where T is negative by more than rounding."""
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
