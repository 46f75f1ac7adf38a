"""A run as an InferenceData of ArviZ: particles, or groups of them, are chains."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..diagnostics.chains import arviz, chains


def to_arviz(
    sol: Any, *, groups: int | None = None, start: float = -math.inf, weights: str = "refuse", seed: int = 0
) -> Any:
    """A solution as an arviz.InferenceData; `Solution.to_arviz` documents it."""
    library = arviz()
    draws = chains(sol, groups=groups, start=start, weights=weights, seed=seed)
    attributes = {"inference_library": "wgf", "solver": sol.state.solver, "seed": str(sol.state.seed)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # more chains than draws are usual here
        found = library.from_dict(posterior={"x": draws}, dims={"x": ["axis"]}, posterior_attrs=attributes)
    return found
