"""A state among what can be stored: its parts as a tree. A run goes on from the tree to the same bits."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import torch

from ..functional import FreeEnergyEvaluation, Rules
from ..measure import Ensemble
from ..storage import LeftOut, parts_of, remembered
from .state import State


def _parts(state: State) -> dict[str, Any]:
    """All but the evaluation, since a run that goes on evaluates F again; of terms with rules what was resolved."""
    parts = {part.name: getattr(state, part.name) for part in fields(state) if part.name != "evaluation"}
    resolved = {name: rule if isinstance(rule, Rules) else Rules.of(*rule) for name, rule in state.resolved.items()}
    return parts | {"resolved": resolved, "drives": dict(state.drives)}


def _made(parts: dict[str, Any]) -> State:
    """The state. What was left out of it is named in `left_out`."""
    lost = list(parts.pop("left_out"))
    for name in ("resolved", "drives"):
        lost += [key for key, entry in parts[name].items() if _lacks(entry)]
        parts[name] = {key: entry for key, entry in parts[name].items() if not _lacks(entry)}
    if _lacks(parts["memory"]):
        parts["memory"] = None
        lost.append(f"the memory of {parts['solver']}")
    mu: Ensemble = parts["mu"]
    unknown = FreeEnergyEvaluation(
        torch.full((), math.nan, dtype=torch.float64, device=mu.device),
        torch.full((), math.nan, dtype=mu.dtype, device=mu.device).expand(mu.x.shape),
        (),
    )
    return State(**parts, evaluation=unknown, left_out=tuple(lost))


def _lacks(value: Any) -> bool:
    """Whether something inside was left out."""
    if isinstance(value, LeftOut):
        return True
    inside = value if isinstance(value, dict) else parts_of(value)
    return any(map(_lacks, value if isinstance(value, tuple) else (inside or {}).values()))


remembered(name="State", parts=_parts, make=_made)(State)
