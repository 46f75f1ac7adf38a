"""Observers as users give them: functions of the ensemble, and of what a run knows there, that give a number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping

from ..errors import ConfigError, shown
from ..ledger import COLUMNS, Observer

Observers = Mapping[str, Callable[..., float]] | Iterable[Callable[..., float]]
"""How a user may give observers: functions by name, or named functions."""
_MORE = ("t", "evaluation")
"""What an observer may take in addition to the ensemble, in this order."""


def named_observers(observers: Observers) -> dict[str, Observer]:
    """Give the observers by column. Their names must differ from each other and from the columns of the ledger."""
    if isinstance(observers, Mapping):
        pairs = list(observers.items())
    elif isinstance(observers, Iterable):
        pairs = [(getattr(observe, "__name__", type(observe).__name__), observe) for observe in observers]
    else:
        raise ConfigError(
            f"observers = {shown(observers)}: wanted a mapping of names to functions, or a list of functions."
        )
    for name, observe in pairs:
        if not callable(observe):
            raise ConfigError(
                f"observer {shown(name)} is {shown(observe)}: wanted a function of the ensemble, or of it and t."
            )
        if name in COLUMNS or str(name).startswith("term:"):
            raise ConfigError(
                f"observer {shown(name)}: the ledger has a column of this name; give the observer another."
            )
        if [other for other, _ in pairs].count(name) > 1:
            raise ConfigError(f"observer {shown(name)} is there twice; give names by a mapping, {{'name': function}}.")
    return {name: _of_three(observe) for name, observe in pairs}


def _of_three(observe: Callable[..., float]) -> Observer:
    """The observer as a function of the ensemble, t and the evaluation. It is given those that its signature has."""
    try:
        parameters = list(inspect.signature(observe).parameters.values())
    except (TypeError, ValueError):  # a built-in function without a signature
        parameters = []
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    count = 0
    for parameter, name in zip(positional[1:], _MORE, strict=False):
        if parameter.default is not inspect.Parameter.empty and parameter.name != name:
            break
        count += 1
    return lambda mu, *more: observe(mu, *more[:count])
