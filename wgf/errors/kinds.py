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

    See Also
    --------
    wgf.errors.WgfWarning

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
    """An argument, an option or a value of a configuration file is not acceptable.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> import wgf
    >>> try:
    ...     wgf.LogDet(ridge=-1.0)
    ... except ConfigError as error:
    ...     print(isinstance(error, ValueError))
    True
    """


class ShapeError(WgfError, ValueError):
    """An array has the wrong number of axes or the wrong lengths.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> import wgf
    >>> try:
    ...     wgf.Ensemble([1.0, 2.0])
    ... except ShapeError as error:
    ...     print("refused")
    refused
    """


class DivergenceError(WgfError, ArithmeticError):
    """A value or a force is NaN or infinite. The message names step, time, particle and term where they are known.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> import wgf
    >>> try:
    ...     wgf.Interaction(wgf.kernels.Log()).gradient(wgf.Ensemble([[0.0], [0.0]]))
    ... except DivergenceError as error:
    ...     print(str(error)[:49])
    Interaction: particle 0 and particle 1 coincide a
    """


class StepSizeError(WgfError, ArithmeticError):
    """The solver found no step length that it may take.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> import wgf
    >>> cliff = wgf.Potential(lambda x: 1e30 * x[:, 0] ** 4)
    >>> solver = wgf.solvers.BogackiShampine(rtol=1e-6, atol=1e-9)
    >>> try:
    ...     wgf.solve(cliff, wgf.Ensemble([[1.0]]), solver, dt=1.0, t_end=1e6)
    ... except wgf.errors.WgfError as error:
    ...     print(isinstance(error, ArithmeticError))
    True
    """


class CheckpointError(WgfError, OSError):
    """A stored ensemble, checkpoint or run directory cannot be read or written.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> import wgf
    >>> try:
    ...     wgf.load("no-such-folder")
    ... except CheckpointError as error:
    ...     print(isinstance(error, OSError))
    True
    """


class LockedError(CheckpointError):
    """Another process is writing a run directory. The message names its host and its number.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> issubclass(LockedError, CheckpointError)
    True
    """


class BackendError(WgfError, RuntimeError):
    """A requested device or operation is not available on this machine.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> issubclass(BackendError, RuntimeError)
    True
    """


class CommunicationError(WgfError, RuntimeError):
    """The processes of one run cannot hear each other: one has stopped, a link is cut, or the wait was too long.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> issubclass(CommunicationError, WgfError)
    True
    """


class JobError(WgfError, RuntimeError):
    """Jobs of a sweep failed, or the processes that work on them.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> import wgf
    >>> def half(x):
    ...     return {"y": 1.0 / x}
    >>> try:
    ...     wgf.sweep(half, {"x": [0.0, 1.0]}, jobs=1)
    ... except JobError as error:
    ...     print("1 of 2 points failed")
    1 of 2 points failed
    """


class ResourceError(WgfError, RuntimeError):
    """A limit on steps, memory or work was reached.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(10, 2)
    >>> sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Euler(), dt=0.1, t_end=1.0, max_steps=3, throw=False)
    >>> sol.status.name  # with throw=True it is a ResourceError
    'STEP_LIMIT'
    """


class TransportError(WgfError, ArithmeticError):
    """An optimal-transport computation failed or warned, so its number cannot be trusted.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> issubclass(TransportError, ArithmeticError)
    True
    """


class WgfWarning(UserWarning):
    """A run goes on or has ended well, but whoever reads its results must know something.

    See Also
    --------
    wgf.errors.WgfError

    Examples
    --------
    >>> import warnings, wgf
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     sol = wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), wgf.solvers.Euler(), dt=0.5, t_end=5.0)
    >>> seen[0].category is WgfWarning  # the closure: a smaller dt is needed
    True
    """
