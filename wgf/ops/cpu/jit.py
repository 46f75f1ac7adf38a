"""How the numba bodies are compiled: cached on disk, without the GIL, NaN and infinity kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_KEEP_NAN = {"contract", "nsz"}  # never fastmath=True: it lets the compiler assume that NaN does not occur


def _source_stamp() -> str:
    """One digest of every file of `wgf/ops`: a body is recompiled when any file it may inline was edited."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_STAMP = _source_stamp()


def compiled(function: Callable[..., Any] | None = None, *, sums: bool = False) -> Any:
    """`numba.njit` as this package uses it; `sums=True` also lets additions be reordered so that they vectorise.

    Numba's disk cache looks only at the file of the outer function. Its index is stamped here with all of
    `wgf/ops`, so that editing an inlined form in another file is seen (tests/test_ops.py holds this).
    """

    def wrap(body: Callable[..., Any]) -> Any:
        flags = _KEEP_NAN | ({"reassoc"} if sums else set())
        dispatcher: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=flags)(body)
        index = dispatcher._cache._cache_file
        index._source_stamp = (index._source_stamp, _STAMP)
        return dispatcher

    return wrap if function is None else wrap(function)
