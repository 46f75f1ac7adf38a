"""`collapse_index`: run the same flow with and without its entropy, and measure how far apart the two end."""

from __future__ import annotations

import math
from typing import Any

from ..diagnostics.collapse import CollapseIndex, collapse_of
from ..errors import ConfigError, require_integer, require_number
from ..functional import FreeEnergy, Functional
from ..measure import Ensemble, require_whole
from ..ops.memory import require_memory
from ..protocol import Solver
from .solve import solve

RESERVED = ("state", "observers", "record_every", "trajectory_every", "throw", "until")
"""Options of `solve` that `collapse_index` sets itself."""


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
    """Measure how much the entropy matters: run the flow with it and without it, and compare the two.

        c(t) = W₂(μ_t^T, μ_t^0) / (path length of μ^0 up to t)

    μ^T is the flow of F = E − T·S, and μ^0 the flow of E alone. Both start from `mu`, with the same solver, steps,
    seed and minibatches. A c below 10⁻² means that the entropy could as well be left out: the flow has collapsed to
    plain loss minimisation.

    Parameters
    ----------
    F : Functional
        A free energy with an entropy and at least one other term.
    mu : Ensemble
        The initial particles (n, d).
    solver : Solver
        A scheme with fixed steps.
    dt : float
        The length h of a step, in flow time.
    t_end, t0 : float
        The last and the first time, in flow time. t0 is 0 by default.
    seed : int, default 0
        The seed of noise and minibatches, the same for both runs.
    records : int, default 20
        About how many times after the start the two are compared.
    method : str, default "auto"
        How W₂ is computed: the `method` of `wgf.diagnostics.wasserstein`. "auto" is exact for up to 2000 particles.
    **options
        Further options of `wgf.solve`: domain, noise, max_steps, progress.

    Returns
    -------
    CollapseIndex
        c(t) with its numerator and denominator. `float(...)` gives c at the end. Pass it to
        `force_report(..., collapse=...)`.

    Raises
    ------
    ConfigError
        If F has no entropy or nothing else, if the solver is adaptive (the two runs would have different times), or
        for an option that is set here.
    WgfError
        What `wgf.solve` and `wgf.diagnostics.wasserstein` raise.

    Notes
    -----
    Where the solver realises the Shannon entropy by noise, μ^0 has no noise. The cost is that of two runs, and of two
    distances for each comparison.

    See Also
    --------
    wgf.solve : a single run.
    wgf.diagnostics.force_report : a report on the forces of energy and entropy.
    wgf.diagnostics.CollapseIndex : the result.

    References
    ----------
    K. P. Tran, Human-Centered Learning Mechanics, arXiv:2605.22940 (2026).

    Examples
    --------
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
    steps = max(0.0, min(steps, 2.0**50))  # more are refused by `solve`
    every = max(1, math.ceil(steps / count - 1e-9))
    kept = min(count, math.ceil(steps)) + 1
    size = 2 * kept * require_whole("mu", mu).x.nbytes
    require_memory(f"{kept} records of {mu.n} particles in two runs", size, "take fewer records")

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
