"""The temperature at which a run spends a given amount: the search for matched dissipation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .surrogates import Run

TOLERANCE = 0.1
"""The search ends where ∫I² dt is within 10 % of its level."""
SLOPE = 2.0
"""d log ∫I² dt / d log T of a force that does not change with T: the slope of a first step."""
SLOPES = (0.5, 4.0)
"""A secant is believed between these slopes."""


def first_guess(runs: Sequence[Run], target: float) -> float:
    """T at which ∫I² dt is `target`, by interpolation in logarithms between the runs of a sweep over T.

    0 where no run has an information force.
    """
    points = sorted((run.temperature, run.spent) for run in runs if run.spent > 0 and run.temperature > 0)
    if not points:
        return 0.0
    x, y = np.log(points).T
    goal = math.log(target)
    for k in range(len(x) - 1):
        if (y[k] - goal) * (y[k + 1] - goal) <= 0 and y[k] != y[k + 1]:
            return math.exp(x[k] + (goal - y[k]) / (y[k + 1] - y[k]) * (x[k + 1] - x[k]))
    nearest = int(np.argmin(np.abs(y - goal)))
    return math.exp(x[nearest] + (goal - y[nearest]) / SLOPE)


def at_dissipation(train: Callable[[float], Run], target: float, first: float, tries: int) -> Run:
    """The run, of at most `tries`, whose ∫I² dt is nearest to `target`, by secants in logarithms.

    Parameters
    ----------
    train : callable
        The run at a temperature.
    target : float
        The level of ∫I² dt.
    first : float
        The first temperature.
    tries : int
        The most runs.

    Returns
    -------
    Run
        Within `TOLERANCE` where the search succeeded. A force that switches off may never reach the level.
    """
    goal, seen, temperature = math.log(target), [], first
    best: tuple[float, Run] | None = None
    for _ in range(tries):
        run = train(temperature)
        miss = math.log(run.spent) - goal if run.spent > 0 else -math.inf
        if best is None or abs(miss) < best[0]:
            best = abs(miss), run
        if not math.isfinite(miss) or abs(miss) <= math.log1p(TOLERANCE):
            break
        seen.append((math.log(temperature), miss))
        slope = SLOPE
        if len(seen) > 1 and seen[-1][0] != seen[-2][0]:
            slope = float(np.clip((seen[-1][1] - seen[-2][1]) / (seen[-1][0] - seen[-2][0]), *SLOPES))
        temperature = math.exp(seen[-1][0] - miss / slope)
    assert best is not None
    return best[1]
