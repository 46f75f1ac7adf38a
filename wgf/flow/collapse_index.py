"""`collapse_index`: the same flow with and without its entropy, on the same noise, and how far apart they come."""

from __future__ import annotations

import math
from typing import Any

from ..diagnostics.collapse import CollapseIndex, collapse_of
from ..errors import ConfigError, require_integer, require_number
from ..functional import FreeEnergy, Functional
from ..measure import Ensemble
from ..protocol import Solver
from .solve import solve

RESERVED = ("state", "observers", "record_every", "trajectory_every", "throw", "until")


def collapse_index(
    F: Functional,
    mu: Ensemble,
    solver: Solver,
    *,
    dt: float,
    t_end: float,
    t0: float = 0.0,
    seed: int = 0,
    records: int = 20,
    method: str = "auto",
    **options: Any,
) -> CollapseIndex:
    """c(t) = W₂(μ_t^T, μ_t^0) / (path length of μ^0 up to t): below 10⁻² the entropy can as well be left out.

    μ^T is the flow of F = E − T·S and μ^0 that of E alone, from the same `mu`, by the same solver, with the same steps,
    seed and minibatches; where the solver realises Shannon by noise, μ^0 has none. W₂ is by POT at about `records`
    times after the start, by `wgf.diagnostics.wasserstein(method=...)`: exact up to 2000 particles, two for each time.
    (Human-Centered Learning Mechanics, arXiv:2605.22940.)

    `dt`, `t_end`, `t0`, `seed` and further `options` (domain, noise, max_steps, progress) are those of `wgf.solve`.
    Give the result to `force_report(..., collapse=...)`. Raises ConfigError where F has no entropy or nothing else, or
    the solver adapts its steps (the two runs would be seen at different times), and what `solve` and `wasserstein` do.

    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(100, 2, seed=0)
    >>> F = wgf.Quadratic() - 0.5 * wgf.LogDet()
    >>> c = collapse_index(F, mu, wgf.solvers.Heun(), dt=0.1, t_end=2.0, records=4)
    >>> 0.5 < float(c) < 1
    True
    """
    if not isinstance(F, Functional) or not all(isinstance(term.functional, Functional) for term in F._terms()):
        raise ConfigError(f"F is {type(F).__name__}: wanted a free energy such as risk - T * LogDet().")
    whole = FreeEnergy(F._terms())
    energy = whole.only(lambda term: not term.functional.is_entropy)
    if not energy.terms or len(energy.terms) == len(whole.terms):
        missing = "energy" if not energy.terms else "entropy"
        raise ConfigError(f"collapse_index: F = {whole!r} has no {missing} term; wanted both, to leave one out.")
    if getattr(solver, "adaptive", False):
        raise ConfigError("collapse_index: the solver adapts its steps; wanted fixed ones, which both runs share.")
    for name in RESERVED:
        if name in options:
            raise ConfigError(f"collapse_index: {name} cannot be given here; `records` says at how many times to look.")
    count = require_integer("records", records, low=1)
    steps = (require_number("t_end", t_end) - require_number("t0", t0)) / require_number("dt", dt, positive=True)
    every = max(1, math.ceil(steps / count - 1e-9))

    def ensembles(free_energy: FreeEnergy) -> tuple[list[float], list[Ensemble]]:
        seen: list[Ensemble] = []

        def keep(now: Ensemble) -> float:
            seen.append(now)
            return len(seen)

        solution = solve(free_energy, mu, solver, dt=dt, t_end=t_end, t0=t0, seed=seed, record_every=every,
                         observers={"frames": keep}, **options)  # fmt: skip
        return solution.ledger["t"].tolist(), seen

    times, with_entropy = ensembles(whole)
    _, without = ensembles(energy)
    return collapse_of(times, with_entropy, without, method)
