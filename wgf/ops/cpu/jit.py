"""The one decorator by which numba compiles: cached on disk, without the GIL, NaN and infinity kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_KEEP_NAN = {"contract", "nsz"}  # never fastmath=True: the compiler would assume that no number is NaN


def _source_stamp() -> str:
    """One digest of all files of `wgf/ops`. Compiled code may inline any of them, so an edit recompiles everything."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_STAMP = _source_stamp()


def compiled(function: Callable[..., Any] | None = None, *, sums: bool = False) -> Any:
    """Compile a function by `numba.njit` as this package does.

    Parameters
    ----------
    function : callable
        The function to compile.
    sums : bool, default False
        Whether additions may be reordered, so that sums vectorise.

    Returns
    -------
    dispatcher
        The compiled function; or a decorator, if no function is given.

    Notes
    -----
    Numba's disk cache tests only the file of the compiled function. Here its index also has a stamp of all files of
    `wgf/ops`, so that an edit of an inlined formula in another file is noticed; a test holds this.
    """

    def wrap(body: Callable[..., Any]) -> Any:
        flags = _KEEP_NAN | ({"reassoc"} if sums else set())
        dispatcher: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=flags)(body)
        index = dispatcher._cache._cache_file
        index._source_stamp = (index._source_stamp, _STAMP)
        return dispatcher

    return wrap if function is None else wrap(function)
