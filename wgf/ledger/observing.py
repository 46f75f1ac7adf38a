"""The columns of the ledger that come from functions of the user."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigError
from ..extension.reading import differ, guarded, written
from ..functional import FreeEnergyEvaluation
from ..measure import Ensemble
from ..protocol import State

Observer = Callable[[Ensemble, float, FreeEnergyEvaluation], float]
"""A user's function of the ensemble, the time, and F evaluated there, that gives a column of the ledger."""


def observations(observers: Mapping[str, Observer], state: State, evaluation: FreeEnergyEvaluation) -> dict[str, float]:
    """The columns of the observers. They see a copy, so that what they write cannot reach the run."""
    if not observers:
        return {}
    mu, found = copy.deepcopy(state.mu), {}
    read = [mu.x, mu.weights, mu.ids, *(part.gradient for part in (evaluation, *evaluation.terms))]
    for name, observe in observers.items():
        value = guarded(f"observer {name!r}", read, observe, mu, state.t, evaluation)
        found[name] = _observed(name, value)
    if differ(mu.x, state.mu.x) or differ(mu.weights, state.mu.weights):  # written through numpy or .data
        names = list(map(repr, observers))
        raise written(f"observer {names[0]}" if len(names) == 1 else f"one of the observers {', '.join(names[:4])}")
    return found


def _observed(name: str, value: Any) -> float:
    """The result of an observer as a number."""
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError("text")
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ConfigError(f"observer {name!r} returned {type(value).__name__} ({error}): wanted one number.") from error
