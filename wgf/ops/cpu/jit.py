"""The one decorator by which numba compiles: cached on disk, without the GIL, NaN and infinity kept.

A compiled function whose bits depend on how it was optimised has its machine code once, and is never inlined. Numba by
itself copies a function into every function that calls it, and optimises the copy again; which copy is called then
depends on what was loaded first.
"""

from __future__ import annotations

import hashlib
import importlib
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numba
from numba.core import cgutils, event
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime import rtsys
from numba.extending import intrinsic as _intrinsic

from ...errors import WgfWarning
from ...process.collecting import resting
from .. import compiling

_KEEP_NAN = {"contract", "nsz"}  # never fastmath=True: the compiler would assume that no number is NaN


def _source_stamp() -> str:
    """One digest of all files of `wgf/ops`. Compiled code may inline any of them, so an edit recompiles everything."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_STAMP = _source_stamp()


_functions: dict[tuple[str, str], Any] = {}
"""The functions that are called where they are, by module and name."""
_symbols: dict[str, tuple[str, str, tuple[Any, ...]]] = {}
"""What their machine code is called, with the types of its arguments."""


class _MissingCallee(Exception):
    """A function that the loaded code calls is not there, or is another one: the code has to be compiled again."""


class _Entry(CompileResultCacheImpl):
    """What is on disk for one compiled function: its machine code, and which other functions that calls."""

    def reduce(self, cres: Any) -> Any:
        declared = [function.name for function in cres.library._final_module.functions if function.is_declaration]
        return [(name, *_symbols[name]) for name in declared if name in _symbols], super().reduce(cres)

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        callees, rest = payload
        for symbol, module, name, kinds in callees:
            if (module, name) not in _functions:
                importlib.import_module(module)
            function = _functions.get((module, name))
            if function is None or not _load(function, kinds) or _symbols.get(symbol) != (module, name, kinds):
                raise _MissingCallee
        return super().rebuild(target_context, rest)


class _Cache(FunctionCache):
    """Numba's cache on disk of one function; where it cannot be read or written, the function is compiled without it.

    Its index has a stamp of all files of `wgf/ops` besides that of the function's own file. Numba's own `load_overload`
    first loads all that compiling needs, for .2 s. Machine code from the disk needs the memory functions alone; a
    function that is compiled after all loads the rest then.
    """

    _impl_class = _Entry

    def __init__(self, body: Callable[..., Any]) -> None:
        super().__init__(body)
        self._cache_file._source_stamp = (self._cache_file._source_stamp, _STAMP)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            rtsys.initialize(target_context)
            with self._guard_against_spurious_io_errors(), resting():  # it imports modules of numba
                return self._load_overload(sig, target_context)
        except _MissingCallee:
            return None
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
        depend on the compiler. Others may inline the function.

    Returns
    -------
    dispatcher
        The compiled function; or a decorator, if no function is given.

    Notes
    -----
    Unless it is exact, a function has its machine code once: others call it there and never inline it. For small parts
    of loops there is `elementary.inlined`.

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
        if not exact:
            _functions[body.__module__, body.__qualname__] = dispatcher
            dispatcher.add_overload = partial(_add_alone, dispatcher)
        return dispatcher

    return wrap if function is None else wrap(function)


class _Telling(event.Listener):
    """Tells of every function that numba begins to compile, also of a user's own."""

    def on_start(self, event: Any) -> None:
        compiling.tell()

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Telling())

intrinsic: Any = _intrinsic  # numba adds the first argument of a call; a type checker would miss it


def _add_alone(dispatcher: Any, made: Any) -> None:
    """Numba's `add_overload`, for a function that others call where it is, and do not link."""
    type(dispatcher).add_overload(dispatcher, made)
    dispatcher.targetctx.remove_user_function(made.entry_point)
    dispatcher.targetctx.insert_user_function(made.entry_point, made.fndesc)  # without the library that holds its code
    names = dispatcher.py_func.__module__, dispatcher.py_func.__qualname__
    _symbols[made.fndesc.mangled_name] = *names, tuple(made.signature.args)


def _load(function: Any, kinds: tuple[Any, ...]) -> bool:
    """Load a compiled function for arguments of these types from disk, unless it is there; False where it is not."""
    with global_compiler_lock:
        if kinds in function.overloads:
            return True
        made = function._cache.load_overload(kinds, function.targetctx)
        if made is None:
            return False
        function.targetctx.insert_user_function(made.entry_point, made.fndesc, [made.library])
        function.add_overload(made)
        return True


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

    The caller is compiled for the types of the arguments alone, and not for the function.
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
    kinds = tuple(map(numba.typeof, arguments))
    return kinds in function.overloads if loaded else _load(function, kinds)
