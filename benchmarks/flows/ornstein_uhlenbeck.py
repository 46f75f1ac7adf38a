"""Langevin dynamics of an Ornstein–Uhlenbeck ensemble, with the exact law of its Euler–Maruyama steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ... import ops, solvers
from ...energies import Quadratic
from ...entropies import Shannon
from ...functional import Functional
from ...measure import Ensemble
from ...protocol import Solver
from ..frame.case import OURS, Arrays, Body, Case, Floor, Target, power
from ..frame.machine import FMA32, FMA64, TRIAD
from ..frame.processes import ALONE
from . import langevin, ours
from .langevin import SCALE, STIFFNESS, TEMPERATURE, H, deviation, law, moments
from .ours import ENDS, OURS_ALONE, PIECES
from .peers import JAX, JAX_FIRST, TORCH

STEPS = 500
_MOST_NOISE = 5_000_000
"""So many normals may be made before the first step. More do not fit into the caches, and the loop is faster."""
_CACHE = 2**22
"""Bytes of particles beyond which they are read from memory and written to it at each step."""
BOUND = 5.0
"""Standard errors. With up to 65 numbers a correct run stays below it in all but one of 20 000."""


def ensemble(n: int, d: int, dtype: str) -> Arrays:
    """Particles from N(1, 1)."""
    return {"x": (1.0 + np.random.default_rng(0).standard_normal((n, d))).astype(dtype)}


# ------------------------------------------------------------------------------------------- ours


def setup(arrays: Arrays) -> tuple[Functional, Ensemble, Solver]:
    return Quadratic(STIFFNESS) - TEMPERATURE * Shannon(), Ensemble(arrays["x"]), solvers.Langevin()


def _pieces(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """The gradient and the update, which makes its noise, one operation each."""
    start = torch.from_numpy(arrays["x"])
    ids = torch.arange(len(start))

    def call() -> np.ndarray:
        x = start
        for step in range(steps):
            x = ops.langevin(x, STIFFNESS * x, ids, [1, 0], step, 0, H, SCALE)
        return moments(x)

    return call


# ------------------------------------------------------------------------------------------- cases


def _named(names: Mapping[str, Any], steps: int) -> dict[str, Body]:
    return {name: partial(body, steps) for name, body in names.items()}


_BY_HAND: dict[str, Any] = {TORCH: langevin.by_torch, JAX: partial(langevin.by_jax, False)}
_LIBRARIES: dict[str, Any] = {
    "torchsde": langevin.by_torchsde,
    "diffrax": langevin.by_diffrax,
    "BlackJAX": langevin.by_blackjax,
}
DEFAULT_ALONE = f"{OURS_ALONE}: default"
"""The default call with one thread."""
THREADS = (ours.THREADS, replace(ours.THREADS, against=(DEFAULT_ALONE,), ours=OURS))
FASTEST = (TORCH, JAX, JAX_FIRST, "torchsde", "diffrax", "BlackJAX")


def case(
    n: int,
    d: int,
    dtype: str = "float64",
    steps: int = STEPS,
    *,
    libraries: bool = True,
    every: int | None = None,
    targets: Sequence[Target] = (),
    title: str = "Ornstein–Uhlenbeck",
    family: str = "ornstein-uhlenbeck",
    extra: Mapping[str, Body] | None = None,
    busy: int = 0,
) -> Case:
    """One ensemble. Peers by hand always; `libraries` adds torchsde, diffrax and BlackJAX."""
    bodies = ours.bodies(setup, H, steps, moments)
    if every is not None:
        bodies[f"{OURS}: record_every={every}"] = partial(ours.run, setup, H, steps, moments, every)
    bodies |= _named({PIECES: _pieces, **_BY_HAND, **(_LIBRARIES if libraries else {})}, steps)
    if n * d * steps <= _MOST_NOISE:
        bodies[JAX_FIRST] = partial(langevin.by_jax, True, steps)
    single = dtype == "float32"
    return Case(
        name=f"{title}, d = {d}, {'f32' if single else 'f64'}, n = {power(n)}, {steps} steps",
        family=family,
        arrays=partial(ensemble, n, d, dtype),
        bodies=bodies | dict(extra or {}),
        oracle=partial(law, steps),
        bound=BOUND,
        floors=_floors(n * d, steps, single),
        targets=targets,
        gap=GAP,
        error=deviation,
        unit=UNIT,
        steps=steps,
        checked=ENDS,
        busy=busy,
    )


def _floors(numbers: int, steps: int, single: bool) -> dict[str, Floor]:
    """The multiply-adds of the normals; and memory, if the particles do not fit into a cache."""
    fmas, width = (10, 4) if single else (20, 8)
    floors = {"FMA pipes": Floor(FMA32 if single else FMA64, 2.0 * fmas * steps * numbers)}
    if numbers * width > _CACHE:
        floors["memory"] = Floor(TRIAD, 2.0 * width * steps * numbers)
    return floors


def one_thread(n: int, d: int, steps: int, busy: int = 0, peers: bool = True) -> Case:
    """The same run with one thread and with all, alone on the machine or with other programs that spin."""
    peers_alone: dict[str, Body] = {
        f"{TORCH}{ALONE}": partial(langevin.by_torch, steps),
        f"{JAX}{ALONE}": partial(langevin.by_jax, False, steps),
    }
    alone = {
        OURS_ALONE: partial(ours.run, setup, H, steps, moments, steps),
        DEFAULT_ALONE: partial(ours.run, setup, H, steps, moments, None),
    }
    made = case(
        n,
        d,
        steps=steps,
        libraries=False,
        title=f"Ornstein–Uhlenbeck with {busy} busy programs" if busy else "Ornstein–Uhlenbeck on one thread",
        family="threads",
        targets=list(THREADS) if busy else [Target("faster", tuple(peers_alone), 1.5, 3.0, OURS_ALONE)],
        extra={**alone, **(peers_alone if peers else {})},
        busy=busy,
    )
    left_out = (PIECES,) if busy else (OURS, PIECES, DEFAULT_ALONE)
    return replace(made, bodies={name: body for name, body in made.bodies.items() if name not in left_out})


def cases(quick: bool) -> list[Case]:
    """The rows of the ensemble, a small one of 32 particles, one with one thread, and those on a busy machine."""
    if quick:
        return [
            ensemble_case(400, 2, "float64", 20, True),
            one_thread(200, 2, 20, busy=2, peers=False),
        ]
    rows = []
    for dtype in ("float64", "float32"):
        for d in (2, 10):
            for n in (1000, 20_000, 100_000):
                libraries = dtype == "float64" and n <= 20_000 and d == 2  # elsewhere they only take longer
                rows.append(ensemble_case(n, d, dtype, STEPS, libraries))
    small = case(
        32,
        20,
        steps=2000,
        libraries=False,
        title="Langevin on a quadratic",
        family="small",
        targets=[Target("step", (), 40e-6, ours=ENDS), Target("faster", (TORCH, JAX, JAX_FIRST), None, 1.0, ENDS)],
    )
    return [*rows, small, one_thread(20_000, 2, STEPS), *(one_thread(n, 2, STEPS, 2) for n in (1000, 20_000, 100_000))]


def ensemble_case(n: int, d: int, dtype: str, steps: int, libraries: bool) -> Case:
    """A row of the ensemble with its targets. In the plane 2·10⁴ particles have a run with 101 records as well."""
    targets = [Target("faster", FASTEST, 1.5, 3.0, ENDS)]
    anchor = d == 2 and n in (400, 20_000)
    every = max(1, steps // 100)
    if anchor:
        targets += [
            Target("faster", FASTEST, 1.0, 2.0),
            Target("seconds", (f"{OURS}: record_every={every}",), 3.5, 2.0),
        ]
    return case(n, d, dtype, steps, libraries=libraries, every=every if anchor else None, targets=targets)


UNIT = "largest deviation of mean and covariance from the exact law of the scheme, in standard errors"
GAP = (
    "The floor counts what a Box–Muller transform and the update need at least: 20 multiply-adds for a number in "
    "float64, 10 in float32; and one read and one write where the particles do not fit into a cache. Ten rounds of "
    "Philox come on top, by integer products. A run adds the value of F for the ledger and checks that value and "
    "gradient are finite. Records in up to 8 dimensions estimate the entropy and its score; they "
    "are the difference between the default call and that with records at both ends. At n = 10³ these two records take "
    "longer than the 500 steps between them."
)
