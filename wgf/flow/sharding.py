"""What a run on several processes may contain, and who of them speaks."""

from __future__ import annotations

from ..errors import ConfigError
from ..functional import FreeEnergy, Steering
from ..measure import Ensemble
from ..protocol import Solver
from .monitor import Monitor


def require_divisible(free_energy: FreeEnergy, steering: Steering, solver: Solver, mu: Ensemble) -> None:
    """Refuse what needs all particles in one process, where they are divided among several.

    Parameters
    ----------
    free_energy : FreeEnergy
        F as the scheme integrates it, with its rules resolved and its drives replaced by their values.
    steering : Steering
        The drives.
    solver : Solver
        The scheme.
    mu : Ensemble
        The initial particles. Nothing is refused for a whole ensemble.

    Raises
    ------
    ConfigError
        It names the scheme, the term or the drive.
    """
    if mu.whole:
        return
    advice = "Run it with a whole ensemble in one process (mu.gathered() gives one)."
    if not solver.integrates:
        raise ConfigError(
            f"{solver.name}: the particles are divided among processes, and a step of this scheme needs all of them in "
            f"one; wanted an explicit scheme, such as Heun or Langevin. {advice}"
        )
    for term in free_energy.terms:
        reason = term.functional.undivided(mu)
        if reason is not None:
            raise ConfigError(
                f"{term.name}: the particles are divided among processes, and this term cannot be: {reason}. {advice}"
            )
    for name, drive in steering.drives.items():
        if not drive.integrates:
            raise ConfigError(
                f"{name}: the particles are divided among processes, and this drive does not say that it sees only "
                f"what all of them see. {advice}"
            )


def speaking(monitor: Monitor, mu: Ensemble) -> Monitor:
    """The monitor in the process that speaks; in others one that is silent."""
    return monitor if mu.speaks else Monitor()
