"""What a scheme asks of a free energy and an ensemble; each refusal says what was given, what is wanted, what to do."""

from __future__ import annotations

from typing import NoReturn

import torch

from ..errors import ConfigError, DivergenceError, WgfError
from ..functional import FreeEnergy
from ..measure import Ensemble
from .dynamics import Dynamics
from .solver import Solver


def refuse(solver: Solver, given: str, wanted: str, do: str) -> NoReturn:
    """The one form of a refusal: "<scheme>: <given>; wanted <wanted>. <do>"."""
    raise ConfigError(f"{solver.name}: {given}; wanted {wanted}. {do}")


def require_full_batch(solver: Solver, free_energy: FreeEnergy) -> None:
    """For schemes that compare values of F, or two formulas for one step, which the scatter of minibatches drowns."""
    for term in free_energy.terms:
        if term.functional.sampled:
            refuse(solver, f"{term.name} is drawn on minibatches", "values of F", "Give it all its data (batch=None).")


def require_first_variation(solver: Solver, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
    """For schemes that use δF/δμ: every term that acts by force must have one, at the start time t.

    Asked at two particles, and at all where a term needs more. What is infinite there is no refusal: the run itself
    says where.
    """
    few = _two_apart(mu)
    for term in dynamics.drift.terms:
        functional = term.functional.at(t)
        try:
            functional.first_variation(few)
            continue
        except Exception:  # the covariance of two particles is singular, say, or a user's function wants more rows
            pass
        try:
            functional.first_variation(mu)
        except DivergenceError:
            continue
        except WgfError as error:
            given = f"{term.name} gives no first variation ({error})"
            refuse(solver, given, "terms with a first variation", "Use a scheme that needs gradients only, or Euler.")


def _two_apart(mu: Ensemble) -> Ensemble:
    """Two particles at different places, one of them the heaviest; all of them where there are no two."""
    first = int(mu.weights.argmax())
    others = torch.nonzero((mu.x != mu.x[first]).any(1))
    return mu.select([first, int(others[0])]) if len(others) else mu


def require_dim(solver: Solver, mu: Ensemble, most: int, do: str) -> None:
    """For schemes that work in few dimensions."""
    if mu.dim > most:
        refuse(solver, f"the particles have dimension {mu.dim}", f"at most {most}", do)
