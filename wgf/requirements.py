"""What a scheme asks of a free energy and an ensemble; each refusal says what was given, what is wanted, what to do."""

from __future__ import annotations

from typing import NoReturn

from .ensemble import Ensemble
from .errors import ConfigError, WgfError
from .functional import FreeEnergy, Functional
from .protocol import Dynamics, Solver


def refuse(solver: Solver, given: str, wanted: str, do: str) -> NoReturn:
    """The one form of a refusal: "<scheme>: <given>; wanted <wanted>. <do>"."""
    raise ConfigError(f"{solver.name}: {given}; wanted {wanted}. {do}")


def require_equal_weights(solver: Solver, mu: Ensemble) -> None:
    """For schemes whose formulas hold for weights 1/n only."""
    if not mu.equal_weights:
        refuse(solver, "the weights differ", "equal weights", "Resample the ensemble, or use a scheme of transport.")


def require_full_batch(solver: Solver, free_energy: FreeEnergy) -> None:
    """For schemes that compare values of F, or two formulas for one step, which the scatter of minibatches drowns."""
    for term in free_energy.terms:
        if term.functional.sampled:
            refuse(solver, f"{term.name} is drawn on minibatches", "values of F", "Give it all its data (batch=None).")


def require_first_variation(solver: Solver, dynamics: Dynamics, mu: Ensemble) -> None:
    """For schemes that use δF/δμ: every term that acts by force must have one."""
    for term in dynamics.drift.terms:
        try:
            term.functional.at(0.0).first_variation(mu, mu.x[:1])
        except WgfError as error:
            given = f"{term.name} gives no first variation ({error})"
            refuse(solver, given, "terms with a first variation", "Use a scheme that needs gradients only, or Euler.")


def require_terms(solver: Solver, free_energy: FreeEnergy, kinds: tuple[type[Functional], ...], do: str) -> None:
    """For schemes that know what to do with some kinds of terms only."""
    for term in free_energy.terms:
        if not isinstance(term.functional, kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            refuse(solver, f"{term.name} is a {type(term.functional).__name__}", names, do)


def require_dim(solver: Solver, mu: Ensemble, most: int, do: str) -> None:
    """For schemes that work in few dimensions."""
    if mu.dim > most:
        refuse(solver, f"the particles have dimension {mu.dim}", f"at most {most}", do)
