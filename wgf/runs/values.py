"""What a configuration file may write as a value: numbers, lists of them, rules, points, columns."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A table of a configuration file: only known keys, no conversion between types, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    also: ClassVar[tuple[str, ...]] = ()
    """Keys that a file may write beside the fields; they are turned into fields before these are checked."""


def wanted(what: str) -> PydanticCustomError:
    """The error of a value that is none of what was wanted."""
    return PydanticCustomError("wanted", "{what}", {"what": what})


def numbers(value: Any, depth: int = 0) -> Any:
    """A number, a list of numbers or a list of lists of them; a TOML array may mix types, so every entry is checked."""
    if isinstance(value, list) and depth < 2:
        return tuple(numbers(entry, depth + 1) for entry in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _finite(value):
        raise wanted("a finite number, a list of numbers or a matrix as a list of rows")
    return value


def _finite(value: float) -> bool:
    """Whether a number is finite as a float; integers beyond every float are not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def number_or_rule(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise wanted("a positive number or the name of a rule")
    return value


def _column(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, str))):
        raise wanted("the name of a column or its index")
    return value


Column: TypeAlias = Annotated[Any, AfterValidator(_column)]


def rows(value: Any) -> Any:
    """A list of rows of numbers, as floats."""
    found = numbers(value)
    if not isinstance(found, tuple) or not found or not all(isinstance(row, tuple) for row in found):
        raise wanted("a list of rows of numbers")
    return tuple(tuple(map(float, row)) for row in found)


def pairs(value: Any) -> Any:
    """A list of pairs of integers."""
    found = numbers(value)
    whole = isinstance(found, tuple) and all(isinstance(row, tuple) and len(row) == 2 for row in found)
    if (
        not whole
        or not found
        or any(not isinstance(entry, int) or abs(entry) >= 2**63 for row in found for entry in row)
    ):
        raise wanted("a list of pairs of integers")
    return found


def points(value: Any) -> Any:
    pairs = numbers(value)
    if not isinstance(pairs, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        raise wanted("a list of points [t, value]")
    return pairs
