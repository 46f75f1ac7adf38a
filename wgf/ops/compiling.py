"""Who is told that code is being compiled. It takes seconds, once; then the code is on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[], None]] = []


@contextmanager
def while_compiling(listener: Callable[[], None]) -> Iterator[None]:
    """Call a function whenever a function is about to be compiled inside a `with` block, in any thread.

    Parameters
    ----------
    listener : callable
        Called without arguments. It is not called where the machine code comes from the disk.

    Examples
    --------
    >>> import numba
    >>> with while_compiling(lambda: print("compiling")):
    ...     numba.njit(lambda a: a + 1)(1)
    compiling
    2
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell() -> None:
    """Call all listeners."""
    for listener in tuple(_listeners):
        listener()
