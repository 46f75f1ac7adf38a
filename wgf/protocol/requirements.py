"""What a scheme may require of a free energy and an ensemble; a scheme calls these functions in `Solver.require`."""

from __future__ import annotations

import warnings
from typing import NoReturn

import torch

from ..errors import ConfigError, DivergenceError, WgfError, WgfWarning
from ..functional import FreeEnergy
from ..measure import Ensemble
from ..measure.spread import without_spread
from .dynamics import Dynamics
from .solver import Solver

_FEW = 64
"""So many particles stand for all where those are divided among processes, to look at a term."""


def refuse(solver: Solver, given: str, wanted: str, do: str) -> NoReturn:
    """Refuse a run by a ConfigError with the text "<scheme>: <given>; wanted <wanted>. <do>".

    Parameters
    ----------
    solver : Solver
        The scheme that refuses.
    given, wanted, do : str
        What was given, what the scheme needs, and what the user can do.

    Raises
    ------
    ConfigError
        Always.
    """
    raise ConfigError(f"{solver.name}: {given}; wanted {wanted}. {do}")


def require_domain(solver: Solver, dynamics: Dynamics) -> None:
    """Refuse a curved domain, unless the scheme keeps to it, and any domain for terms that need all of space.

    Parameters
    ----------
    solver : Solver
        The scheme.
    dynamics : Dynamics
        It holds the domain.

    Raises
    ------
    ConfigError
        If the domain is curved and the scheme is made for flat space, or a term needs all of space.
    """
    needy = [term.name for term in dynamics.free_energy.terms if term.functional.needs_space]
    if dynamics.domain is not None and needy:
        raise ConfigError(f"{needy[0]} is not defined with domain = {dynamics.domain!r}; wanted all of space.")
    if dynamics.domain is not None and dynamics.domain.curved and not solver.on_surfaces:
        advice = "Take Heun or BogackiShampine, or Langevin with Shannon."
        refuse(solver, f"domain = {dynamics.domain!r}", "a domain in flat space", advice)


def require_full_batch(solver: Solver, free_energy: FreeEnergy) -> None:
    """Refuse terms on minibatches.

    Use it for schemes that compare values of F, or two formulas for the same step. The scatter between minibatches is
    larger than such differences.

    Parameters
    ----------
    solver : Solver
        The scheme.
    free_energy : FreeEnergy
        Its terms are checked.

    Raises
    ------
    ConfigError
        If a term is drawn on minibatches.
    """
    advice = "Give it all its data (batch=None), or take a scheme of fixed steps, such as Heun."
    for term in free_energy.terms:
        if term.functional.sampled:
            refuse(solver, f"{term.name} is drawn on minibatches", "values of F", advice)


def require_first_variation(solver: Solver, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
    """Refuse terms without a first variation δF/δμ.

    Parameters
    ----------
    solver : Solver
        The scheme.
    dynamics : Dynamics
        Its terms that act by force are checked.
    mu : Ensemble
        The initial particles (n, d).
    t : float
        The start time, in flow time.

    Raises
    ------
    ConfigError
        If a term has no first variation.

    Notes
    -----
    To keep the check cheap, each term is tried at two particles, and at all particles only if that fails. An infinite
    result is accepted here, because the run itself reports it with step and particle.
    """
    few = _two_apart(mu)
    for term in dynamics.drift.terms:
        functional = term.functional.at(t)
        try:
            functional.first_variation(few)
            continue
        except Exception:  # two particles have a singular covariance, or a user's function needs more rows
            pass
        try:
            functional.first_variation(mu)
        except DivergenceError:
            continue
        except WgfError as error:
            given = f"{term.name} gives no first variation ({error})"
            refuse(solver, given, "terms with a first variation", "Use a scheme that needs gradients only, or Euler.")


def _two_apart(mu: Ensemble) -> Ensemble:
    """The heaviest particle and one at another place; the whole ensemble where all particles coincide."""
    if not mu.whole:
        drawn = mu.drawn(_FEW)
        mu = Ensemble(drawn(mu.x), ids=drawn(mu.ids))
    first = int(mu.weights.argmax())
    others = torch.nonzero((mu.x != mu.x[first]).any(1))
    return mu.select([first, int(others[0])]) if len(others) else mu


def warn_without_spread(solver: Solver, mu: Ensemble, why: str) -> bool:
    """Warn of directions in which the particles do not differ, for schemes that move them within their span.

    Parameters
    ----------
    solver : Solver
        The scheme.
    mu : Ensemble
        The initial particles (n, d).
    why : str
        What the scheme does in these directions, for the message.

    Returns
    -------
    bool
        Whether there is such a direction.
    """
    named = without_spread(mu)
    if named:
        warnings.warn(
            f"{solver.name}: the particles have no spread in {named}. {why} Start from particles that differ in every "
            "direction.",
            WgfWarning,
            stacklevel=5,
        )
    return bool(named)


def require_dim(solver: Solver, mu: Ensemble, most: int, do: str) -> None:
    """Refuse particles of more than `most` dimensions.

    Parameters
    ----------
    solver : Solver
        The scheme.
    mu : Ensemble
        The initial particles (n, d).
    most : int
        The largest d that the scheme can handle.
    do : str
        What the user can do instead, for the message.

    Raises
    ------
    ConfigError
        If d > `most`.
    """
    if mu.dim > most:
        refuse(solver, f"the particles have dimension {mu.dim}", f"at most {most}", do)
