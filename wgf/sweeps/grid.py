"""Grids of settings: keys with lists or ranges of values, crossed or zipped, counted before they are written out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, ResourceError, closest, shown

MOST = 100_000
"""A sweep has at most this many runs."""
_RANGE = {"from", "to", "count", "step", "log", "round"}


@dataclass(frozen=True)
class Axis:
    """The values of one key."""

    key: str
    values: Sequence[Any]


@dataclass(frozen=True)
class Grid:
    """Settings to go through: keys with their values, crossed or taken together.

    Axes of one group go together, and groups are crossed. The last one varies fastest. `Grid.of` makes one.

    Attributes
    ----------
    groups : tuple of tuples of Axis
        The groups, each with its axes. An axis has a `key` and its `values`.

    See Also
    --------
    wgf.sweep, wgf.sweeps.Plan

    Examples
    --------
    >>> grid = Grid.of({"dt": [0.1, 0.2], "seed": {"from": 0, "to": 1, "count": 2, "round": True}})
    >>> list(grid.points())[:2]
    [{'dt': 0.1, 'seed': 0}, {'dt': 0.1, 'seed': 1}]
    """

    groups: tuple[tuple[Axis, ...], ...]

    @staticmethod
    def of(table: Mapping[str, Any], zipped: Sequence[Sequence[str]] = (), label: str = "the sweep") -> Grid:
        """Make a grid from the values of each key.

        Parameters
        ----------
        table : mapping
            For each key a list of values, or a range: {from, to, count} for evenly spaced values with both ends,
            {from, to, step}, and with log = true for a constant ratio between values. round = true makes them integers.
        zipped : sequence of sequences of str
            Groups of keys whose values go together: the first with the first, and so on. Others are crossed.
        label : str
            What to call the sweep in messages.

        Returns
        -------
        Grid
            The grid.

        Raises
        ------
        ConfigError
            For an empty list, a bad range, an unknown or repeated key in `zipped`, or zipped lists of other lengths.
        ResourceError
            For more than 100 000 combinations. They are counted before any is made.
        """
        if not table:
            raise ConfigError(f"{label}: nothing is varied; wanted one key with a list of values or more.")
        groups = _groups(table, zipped, label)
        sizes = {key: _count(value, f"{label}: {key}") for key, value in table.items()}
        for group in groups:
            if len({sizes[key] for key in group}) > 1:
                told = ", ".join(f"{key} has {sizes[key]}" for key in group)
                raise ConfigError(f"{label}: zipped keys need as many values each: {told}.")
        total = math.prod(sizes[group[0]] for group in groups)
        if total > MOST:
            told = " × ".join(str(sizes[group[0]]) for group in groups)
            raise ResourceError(
                f"{label}: {told} = {total:.3g} runs; wanted at most {MOST}. Take fewer values, or zip keys that need "
                "not be crossed."
            )
        axes = {key: Axis(key, _values(value)) for key, value in table.items()}
        return Grid(tuple(tuple(axes[key] for key in group) for group in groups))

    def __len__(self) -> int:
        return math.prod(len(group[0].values) for group in self.groups)

    @property
    def keys(self) -> list[str]:
        """The keys, in the order in which they were given."""
        return [axis.key for group in self.groups for axis in group]

    def points(self) -> Iterator[dict[str, Any]]:
        """Every combination, as a dictionary from keys to values."""
        rows = [list(zip(*(axis.values for axis in group), strict=True)) for group in self.groups]
        for combination in itertools.product(*rows):
            yield dict(zip(self.keys, itertools.chain.from_iterable(combination), strict=True))


def is_range(value: Any) -> bool:
    """Whether a table is a range and not a table of further keys."""
    return isinstance(value, Mapping) and "from" in value and "to" in value


def _groups(table: Mapping[str, Any], zipped: Sequence[Sequence[str]], label: str) -> list[list[str]]:
    """The groups of keys, each at the place of its first key."""
    home: dict[str, list[str]] = {}
    for group in zipped:
        if isinstance(group, str) or not isinstance(group, Sequence) or len(group) < 2:
            raise ConfigError(f"{label}: zip has {shown(group)}; wanted lists of two keys or more.")
        for key in group:
            if key not in table:
                raise ConfigError(f"{label}: zip names the key {shown(key)}{closest(key, table)}")
            if key in home:
                raise ConfigError(f"{label}: zip names the key {shown(key)} twice.")
            home[key] = list(group)
    found: list[list[str]] = []
    for key in table:
        group = home.get(key, [key])
        if group not in found:
            found.append(group)
    return found


def _count(value: Any, where: str) -> int:
    """How many values a list or a range has. ConfigError where it is none."""
    if is_range(value):
        return _count_range(value, where)
    if isinstance(value, (str, Mapping)) or not hasattr(value, "__len__") or not hasattr(value, "__getitem__"):
        raise ConfigError(
            f"{where} = {shown(value)}: wanted a list of values, or a range such as "
            "{ from = 1e-3, to = 1e-1, count = 5, log = true }."
        )
    if len(value) == 0:
        raise ConfigError(f"{where} = []: the list is empty; wanted one value or more.")
    return len(value)


def _count_range(value: Mapping[str, Any], where: str) -> int:
    for name in value:
        if name not in _RANGE:
            raise ConfigError(f"{where}: a range has no {shown(name)}{closest(name, _RANGE)}")
    numbers = [value[name] for name in ("from", "to", "step") if name in value]
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        raise ConfigError(f"{where}: from, to and step = {shown(numbers)}; wanted finite numbers.")
    first, last = value["from"], value["to"]
    if ("count" in value) == ("step" in value):
        raise ConfigError(f"{where}: a range needs either count or step.")
    for name in ("log", "round"):
        if not isinstance(value.get(name, False), bool):
            raise ConfigError(f"{where}: {name} = {shown(value[name])}: wanted true or false.")
    if value.get("log"):
        if "step" in value:
            raise ConfigError(f"{where}: a range with log = true needs count in place of step.")
        if min(first, last) <= 0:
            raise ConfigError(f"{where}: a range with log = true needs positive ends, not {first} and {last}.")
    if "step" in value:
        step = value["step"]
        if step == 0 or (last - first) / step < 0:
            raise ConfigError(f"{where}: step = {step} does not lead from {first} to {last}.")
        return math.floor((last - first) / step + 1e-9) + 1
    count = value["count"]
    if not isinstance(count, int) or isinstance(count, bool) or count < 1 or (count == 1 and first != last):
        raise ConfigError(f"{where}: count = {shown(count)}: wanted an integer of 2 or more.")
    return count


def _values(value: Any) -> list[Any]:
    """The values of a list or a range; numbers of a range are rounded to 12 digits, so that they are read well."""
    if not is_range(value):
        return list(value)
    first, last = value["from"], value["to"]
    whole = isinstance(first, int) and isinstance(last, int)
    if "step" in value:
        step = value["step"]
        found = [first + k * step for k in range(_count_range(value, ""))]
        whole = whole and isinstance(step, int)
    else:
        parts = [k / max(value["count"] - 1, 1) for k in range(value["count"])]
        if value.get("log"):
            low, high = math.log(first), math.log(last)
            found = [math.exp(low + part * (high - low)) for part in parts]
        else:
            found = [first + part * (last - first) for part in parts]
        found[-1], found[0] = last, first
    if value.get("round"):
        return [round(number) for number in found]
    neat = [float(f"{number:.12g}") for number in found]
    return [int(number) for number in neat] if whole and all(n.is_integer() for n in neat) else neat
