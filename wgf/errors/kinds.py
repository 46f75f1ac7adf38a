"""The kinds of errors, and the warning."""

from __future__ import annotations

from typing import Any

from .words import printable


class WgfError(Exception):
    """The base class of all errors that `wgf` raises on purpose.

    Catch it to tell a refusal or a failed run from a bug. Each subclass also derives from the built-in error of its
    kind, so `except ValueError` catches a `ConfigError`.

    Attributes
    ----------
    solution : wgf.Solution or None
        Where the error ended a run: what was computed until then, up to the last good state. Else None.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(10, 2)
    >>> try:
    ...     wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Euler(), dt=0.1, t_end=1.0, max_steps=3)
    ... except WgfError as error:
    ...     print(type(error).__name__, error.solution.status.name, error.solution.state.step)
    ResourceError STEP_LIMIT 3
    """

    solution: Any = None

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(WgfError, ValueError):
    """An argument, an option or a value of a configuration file is not acceptable."""


class ShapeError(WgfError, ValueError):
    """An array has the wrong number of axes or the wrong lengths."""


class DivergenceError(WgfError, ArithmeticError):
    """A value or a force is NaN or infinite. The message names step, time, particle and term where they are known."""


class StepSizeError(WgfError, ArithmeticError):
    """The solver found no step length that it may take."""


class CheckpointError(WgfError, OSError):
    """A stored ensemble, checkpoint or run directory cannot be read or written."""


class LockedError(CheckpointError):
    """Another process is writing a run directory. The message names its host and its number."""


class BackendError(WgfError, RuntimeError):
    """A requested device or operation is not available on this machine."""


class CommunicationError(WgfError, RuntimeError):
    """The processes of one run cannot hear each other: one has stopped, a link is cut, or the wait was too long."""


class JobError(WgfError, RuntimeError):
    """Jobs of a sweep failed, or the processes that work on them."""


class ResourceError(WgfError, RuntimeError):
    """A limit on steps, memory or work was reached."""


class TransportError(WgfError, ArithmeticError):
    """An optimal-transport computation failed or warned, so its number cannot be trusted."""


class WgfWarning(UserWarning):
    """A run goes on or has ended well, but whoever reads its results must know something."""
