"""A warning before a run in which noise meets an attraction that is infinite at 0, which no time step resolves."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import torch

from ..errors import WgfError, WgfWarning
from ..functional import FreeEnergy
from ..kernels import Kernel
from ..measure import Ensemble
from ..protocol import Solver
from .plan import Plan

SMALL = (1e-5, 1e-6, 1e-7)
"""Distances at which the pair energy is looked at, in units of the spread of the particles."""
AXES = 8
"""Along so many axes at most."""


def warn_of_attraction(given: FreeEnergy, used: FreeEnergy, solver: Solver, mu: Ensemble, plan: Plan) -> None:
    """Warn where noise meets a pair energy that falls to −∞ at distance 0.

        W(r) ≈ −c r^(−s), s > 0:  two particles that meet never part;
        W(r) ≈ c log r:           their distance is a Bessel process of dimension d − c w/T, w the largest weight

    Particles then come close enough for a step to overshoot by h w c/r, whatever the step h. These jumps have an
    infinite variance for d ≤ 2. A Bessel process of more than two dimensions never reaches 0, and is let pass.

    Parameters
    ----------
    given, used : FreeEnergy
        F as the user wrote it, and as the scheme integrates it: the same terms in the same order.
    solver : Solver
        The scheme. Only one with noise is judged.
    mu : Ensemble
        The initial particles (n, d).
    plan : Plan
        The times of the run: its start, middle and end are looked at.

    Warns
    -----
    WgfWarning
        Once, with a softening that the step resolves.
    """
    if not (solver.stochastic and any(term.functional.realised_by_noise for term in used.terms)):
        return
    times = list(plan.times())
    for t in (times[0], times[len(times) // 2], times[-1]):
        frozen = used.at(t)
        temperature = sum(-term.coefficient.number for term in frozen.terms if term.functional.realised_by_noise)
        pairs, names = [], []
        for old, new in zip(given.terms, frozen.terms, strict=True):
            kernel = new.functional.pair_kernel or old.functional.pair_kernel
            if kernel is not None:
                pairs.append((new.coefficient.number, kernel))
                names.append(new.name)
        if pairs and temperature > 0 and _unresolved(pairs, temperature, mu):
            length = math.sqrt(temperature * plan.dt)
            warnings.warn(
                f"{', '.join(names)[:60]}: noise meets an attraction that is infinite at distance 0. A step must "
                "resolve r² between the closest particles, which no dt does: they are thrown far away. Give the kernel "
                f"a softening, such as √(T dt) = {length:.2g} or more.",
                WgfWarning,
                stacklevel=4,
            )
            return


def _unresolved(pairs: Sequence[tuple[float, Kernel]], temperature: float, mu: Ensemble) -> bool:
    """`unresolved`, or False where a kernel refuses these particles, which the run itself will tell."""
    try:
        return unresolved(pairs, temperature, mu)
    except WgfError:
        return False


def unresolved(pairs: Sequence[tuple[float, Kernel]], temperature: float, mu: Ensemble) -> bool:
    """Whether Σ c K attracts at short distance so strongly that particles under noise meet.

    Parameters
    ----------
    pairs : sequence of (float, Kernel)
        The coefficients and kernels of all interactions.
    temperature : float
        T > 0 of the noise.
    mu : Ensemble
        The particles, for their dimension, spread and largest weight.

    Returns
    -------
    bool
        True where the sum falls like −r^(−s), or like c log r with a Bessel dimension of two or less.
    """
    spread = math.sqrt(max(float(mu.covariance().diagonal().mean()), 0.0)) or 1.0
    axes = torch.eye(mu.dim, dtype=torch.float64)[:AXES]
    energies = []
    for r in SMALL:
        total = torch.zeros(len(axes), dtype=torch.float64)
        for factor, kernel in pairs:
            total = total + (factor * kernel(r * spread * axes).double() if factor else 0.0)
        energies.append(total)
    first, second = energies[1] - energies[0], energies[2] - energies[1]
    falls = second < -1e-9 * energies[2].abs()
    power = torch.log10(second / first)  # the energy changes by ten times 10^s when r falls to a tenth
    steep = (falls & (power > 0.02)) | (energies[2] == -math.inf)
    logarithmic = falls & (power.abs() <= 0.02)
    weight = float(mu.greatest(mu.weights[:, None]))
    dimension = mu.dim + second / math.log(10.0) * weight / temperature
    return bool((steep | (logarithmic & (dimension <= 2.0))).any())
