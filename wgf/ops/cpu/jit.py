"""The one decorator by which numba compiles: cached on disk, without the GIL, NaN and infinity kept."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core import cgutils
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys
from numba.extending import intrinsic as _intrinsic

from ...errors import WgfWarning

_KEEP_NAN = {"contract", "nsz"}  # never fastmath=True: the compiler would assume that no number is NaN


def _source_stamp() -> str:
    """One digest of all files of `wgf/ops`. Compiled code may inline any of them, so an edit recompiles everything."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_STAMP = _source_stamp()


class _Cache(FunctionCache):
    """Numba's cache on disk of one function; where it cannot be read or written, the function is compiled without it.

    Its index has a stamp of all files of `wgf/ops` besides that of the function's own file. Numba's own `load_overload`
    first loads all that compiling needs, for .2 s. Machine code from the disk needs the memory functions alone; a
    function that is compiled after all loads the rest then.
    """

    def __init__(self, body: Callable[..., Any]) -> None:
        super().__init__(body)
        self._cache_file._source_stamp = (self._cache_file._source_stamp, _STAMP)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            rtsys.initialize(target_context)
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)
        except Exception as error:  # what a damaged file raises when it is read can be anything
            _say_once(error, self.cache_path)
            with suppress(OSError):  # without its index the next save writes all of it again
                Path(self._cache_file._index_path).unlink()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _say_once(error, self.cache_path)


_said: set[str] = set()


def _say_once(error: Exception, place: str = "") -> None:
    """Warn about the cache of compiled functions, once in a process."""
    if not _said:
        _said.add(place)
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:80]
        warnings.warn(
            f"the cache of compiled functions{f' in {place[-80:]}' if place else ''} cannot be used ({reason}); "
            "they are compiled again, which takes seconds. Set NUMBA_CACHE_DIR to a folder that can be written.",
            WgfWarning,
            stacklevel=3,
        )


def compiled(function: Callable[..., Any] | None = None, *, sums: bool = False, exact: bool = False) -> Any:
    """Compile a function by `numba.njit` as this package does.

    Parameters
    ----------
    function : callable
        The function to compile.
    sums : bool, default False
        Whether additions may be reordered, so that sums vectorise.
    exact : bool, default False
        Whether every operation rounds by itself, as in torch: no product is fused with a sum. The bits then do not
        depend on where the function is inlined.

    Returns
    -------
    dispatcher
        The compiled function; or a decorator, if no function is given.

    Notes
    -----
    Numba's disk cache tests only the file of the compiled function. Here its index also has a stamp of all files of
    `wgf/ops`, so that an edit of an inlined formula in another file is noticed; a test holds this. Where no folder for
    the cache can be written, the disk is full or a file of the cache is damaged, functions are compiled without it, and
    a WgfWarning says so once.
    """

    def wrap(body: Callable[..., Any]) -> Any:
        flags = set() if exact else _KEEP_NAN | ({"reassoc"} if sums else set())
        dispatcher: Any = numba.njit(nogil=True, error_model="numpy", fastmath=flags)(body)
        try:
            dispatcher._cache = _Cache(body)
        except (RuntimeError, OSError) as error:  # numba finds no folder that it could write
            _say_once(error)
        return dispatcher

    return wrap if function is None else wrap(function)


intrinsic: Any = _intrinsic  # numba adds the first argument of a call; a type checker would miss it


@intrinsic
def stand_alone(_typing):
    """Keep the function in which this is called from being inlined into others. Its bits are then the same for all.

    A stretch of steps calls the same loops as a single step. Inlined into a longer function, the compiler could order
    the additions of a sum in another way.
    """

    def code(context, builder, _signature, _args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return numba.types.void(), code


def address_of(function: Any, *arguments: Any) -> int:
    """Where the machine code of a compiled function is, for `call_at`; it is loaded or compiled if it is not there.

    Parameters
    ----------
    function : dispatcher
        What `compiled` made.
    *arguments
        Arguments of a call, or their numba types. All calls by this address have these types.

    Returns
    -------
    int
        The address, which holds in this process.
    """
    kinds = tuple(a if isinstance(a, numba.types.Type) else numba.typeof(a) for a in arguments)
    if kinds not in function.overloads:
        function.compile(kinds)
    made = function.overloads[kinds]
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


@intrinsic
def call_at(_typing, address, arguments):
    """Call the compiled function at an address with a tuple of arguments. It returns nothing.

    A function that is called by its name is optimised again with every function that calls it, which takes seconds for
    a large loop. This one is compiled once for all.
    """

    def code(context, builder, _signature, args):
        kinds = arguments.types
        kind = context.call_conv.get_function_type(numba.types.none, kinds)
        pointer = builder.inttoptr(args[0], kind.as_pointer())
        values = [builder.extract_value(args[1], k) for k in range(len(kinds))]
        status, _ = context.call_conv.call_function(builder, pointer, numba.types.none, kinds, values)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return numba.types.void(address, arguments), code


def is_built(function: Any, arguments: tuple[Any, ...], loaded: bool = False) -> bool:
    """Whether a compiled function has code for arguments of these types: in this process, or in the cache on disk.

    Parameters
    ----------
    function : dispatcher
        What `compiled` made.
    arguments : tuple
        Arguments of a call.
    loaded : bool, default False
        Whether only code in this process counts.

    Returns
    -------
    bool
        False where a call would first compile, which takes seconds.
    """
    signature = tuple(map(numba.typeof, arguments))
    if signature in function.overloads:
        return True
    return not loaded and function._cache.load_overload(signature, function.targetctx) is not None
