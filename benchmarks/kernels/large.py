"""Forces of 10⁵ and 10⁶ particles to a given tolerance, with the method that `Interaction` chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

import wgf

from ...summation.tune import tune
from ..frame.case import OURS, Arrays, Case, Target, power
from ..frame.measure import Row, judge
from .near_linear import auto_choice
from .pairwise import cloud, gaussian, oracle

RTOL = 1e-6


def _wgf(arrays: Arrays) -> Callable[[], Any]:
    mu = wgf.Ensemble(arrays["x"])
    force = wgf.Interaction(gaussian(2).kernel, rtol=RTOL)
    return lambda: force.gradient(mu)


def _tenth(arrays: Arrays) -> Callable[[], Any]:
    """The same for the first tenth of the particles, for its time only; its result is not compared."""
    call = _wgf({"x": arrays["x"][: len(arrays["x"]) // 10]})

    def without_result() -> None:
        call()

    return without_result


def cases(quick: bool) -> list[Case]:
    """One row: how the time grows from a tenth of the particles to all of them."""
    n = 100_000 if quick else 1_000_000
    tenth = f"wgf: n = {power(n // 10)}"
    rows = slice(None, None, n // 100)
    targets = [] if quick else [Target("seconds", (), 0.5, 0.2)]
    return [
        Case(
            name=f"Gaussian force, d = 2, f64, n = {power(n)}, rtol = 1e-6",
            family="near-linear",
            arrays=partial(cloud, n, 2, np.float64),
            bodies={OURS: _wgf, tenth: _tenth},
            oracle=partial(oracle, gaussian(2), rows),
            rows=rows,
            bound=RTOL,
            targets=[*targets, Target("slower", (tenth,), 13)],
            gap=GAP,
        )
    ]


def rows(quick: bool) -> Iterator[Row]:
    """One row: the worst ratio of the time of "auto" to that of the best method, with costs measured here."""
    if quick or find_spec("finufft") is None:
        return
    ratios = auto_choice(tune({}), sizes=(1000, 10_000))
    worst = max(ratios.values())
    case = Case(
        name="auto choice after `wgf tune`, the worst of a grid of n, d, h, rtol",
        family="near-linear",
        arrays=dict,
        bodies={},
        targets=[Target("slower", (BEST,), 1.3)],
    )
    times = {OURS: [worst], BEST: [1.0]}
    yield {
        "name": case.name,
        "family": case.family,
        "bodies": {OURS: {"absent": f"{len(ratios) - 1} settings"}},
        "targets": judge(case, times, {}),
        "gap": "Costs are fitted from few measurements, and two methods are close to each other near a crossover.",
    }


BEST = "the best method"
GAP = "Spreading to the Fourier grid and interpolating from it, with one thread for each block so that bits agree."
