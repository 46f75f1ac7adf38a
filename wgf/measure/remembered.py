"""An ensemble among what a run remembers: its parts as a tree, and back to the same bits."""

from __future__ import annotations

from typing import Any

from ..storage import remembered
from .ensemble import Ensemble


def _parts(mu: Ensemble) -> dict[str, Any]:
    return {"x": mu.x, "weights": mu.weights, "ids": mu.ids, "period": mu.period, "history": mu.history}


def _made(parts: dict[str, Any]) -> Ensemble:
    """The ensemble as it was. It is not checked: a check would divide the weights by their sum and change bits."""
    new = object.__new__(Ensemble)
    new._x, new._weights, new._ids = parts["x"], parts["weights"], parts["ids"]
    new._positive, new._period, new._history = None, parts["period"], int(parts["history"])
    new._finite = False
    return new


remembered(name="Ensemble", parts=_parts, make=_made)(Ensemble)
