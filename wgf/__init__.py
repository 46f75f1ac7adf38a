"""Wasserstein gradient flows of particle ensembles, with the thermodynamics of the run.

A free energy is written as it stands on paper, `F = risk + 1e-3 * Quadratic() - T * LogDet()`; `solve` follows its
gradient flow and keeps the ledger. Method: Human-Centered Learning Mechanics, arXiv:2605.22940.

Names are imported when they are first used, so that `import wgf` and `wgf --help` do not wait for torch.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .process.collecting import resting

# a source tree, where solvers/ and benchmarks/ stand beside wgf/: `python` started in a clone
if find_spec("wgf.solvers") is None or find_spec("wgf.benchmarks") is None:
    __path__.append(str(Path(__file__).parent.parent))

if TYPE_CHECKING:
    from . import callbacks as callbacks
    from . import data as data
    from . import diagnostics as diagnostics
    from . import domains as domains
    from . import drives as drives
    from . import errors as errors
    from . import estimators as estimators
    from . import kernels as kernels
    from . import regularizers as regularizers
    from . import solvers as solvers
    from .energies import *  # noqa: F403 - every registered energy
    from .energies import Unit as Unit
    from .energies import from_function as from_function
    from .entropies import *  # type: ignore[assignment]  # noqa: F403 - every registered entropy
    from .flow import Solution as Solution
    from .flow import Status as Status
    from .flow import collapse_index as collapse_index
    from .flow import load as load
    from .flow import resume as resume
    from .flow import solve as solve
    from .functional import FreeEnergy as FreeEnergy
    from .functional import Functional as Functional
    from .measure import Ensemble as Ensemble
    from .measure import Noise as Noise
    from .precision import benchmark as benchmark
    from .sweeps import sweep as sweep

    __version__: str

_ROOMS = (
    "callbacks",
    "data",
    "diagnostics",
    "domains",
    "drives",
    "errors",
    "estimators",
    "kernels",
    "regularizers",
    "solvers",
)
_HOMES = {
    "Ensemble": "measure",
    "FreeEnergy": "functional",
    "Functional": "functional",
    "Noise": "measure",
    "Solution": "flow",
    "Status": "flow",
    "Unit": "energies",
    "benchmark": "precision",
    "collapse_index": "flow",
    "from_function": "energies",
    "load": "flow",
    "resume": "flow",
    "solve": "flow",
    "sweep": "sweeps",
}
_TERMS = ("energies", "entropies")
"""Packages whose registered classes are names of `wgf`."""


def _registered() -> dict[str, Any]:
    """Every registered energy and entropy by name."""
    return {name: cls for room in _TERMS for name, cls in import_module(f".{room}", __name__).REGISTRY.items()}


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("wgflow")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


def _lacks(name: str) -> AttributeError:
    """The error for a name that is not there, with the nearest one that is."""
    text = f"module {__name__!r} has no attribute {name!r}"
    if name.startswith("_"):
        return AttributeError(text, name=name)
    from difflib import get_close_matches

    near = get_close_matches(name, __getattr__("__all__"), n=1)
    return AttributeError(text + (f"; did you mean {near[0]!r}?" if near else "."), name=name)


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted([*_ROOMS, *_HOMES, *_registered()])
    with resting():
        value = _found(name)
    globals()[name] = value
    return value


def _found(name: str) -> Any:
    """A name of `wgf` that is used for the first time."""
    if name == "__version__":
        return _version()
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    if not name.startswith("_"):
        if name[:1].islower() and find_spec(f"{__name__}.{name}") is not None:
            return import_module(f".{name}", __name__)
        if name in _registered():
            return _registered()[name]
    raise _lacks(name)


def __dir__() -> list[str]:
    return list(__getattr__("__all__"))
