"""The pages of the reference, written from `__all__` of the public modules, so that none is forgotten."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODULES = {
    "wgf": "What most programs use: `solve`, ensembles, the terms of a free energy.",
    "wgf.solvers": "Schemes that move an ensemble along the flow.",
    "wgf.kernels": "Kernels K(x, y) of interactions, discrepancies and `Stein`.",
    "wgf.domains": "Where the particles may be.",
    "wgf.drives": "What changes F from outside: schedules, shifts, risks, constraints.",
    "wgf.diagnostics": "What a run says afterwards: ledger, forces, transport, information.",
    "wgf.diagnostics.rates": "Measured and certified rates of decay.",
    "wgf.callbacks": "What may be done during a run.",
    "wgf.regularizers": "Entropies as torch modules, and the monitor of their forces.",
    "wgf.precision": "What `benchmark` returns.",
    "wgf.sweeps": "Many runs: grids of settings, jobs in parallel, tables and pages of all runs.",
    "wgf.studies": "Whole questions, answered by runs with intervals.",
    "wgf.runs": "What `wgf run` does, from Python.",
    "wgf.figures": "Figures and movies of a run.",
    "wgf.estimators": "Estimators of scikit-learn whose fit is a run.",
    "wgf.data": "Data sets.",
    "wgf.energies": "Base classes and losses, for terms of your own.",
    "wgf.entropies": "The base class of entropies.",
    "wgf.protocol": "What a scheme of your own derives from, and what the engine gives it.",
    "wgf.errors": "What is raised, and when.",
}
"""The public modules and what is in them. A name is documented in the first module that has it."""

INSIDE = {
    "benchmarks": "`wgf bench` runs them; what they measured is in benchmarks/results",
    "cli": "the command `wgf`",
    "extension": "registries, and checks of what functions of the user return",
    "flow": "`wgf.solve`, `wgf.Solution` and the callbacks are its names",
    "functional": "`wgf.Functional` and `wgf.FreeEnergy` are its names",
    "interchange": "`Solution.to_arviz` and `Solution.to_xarray` call it",
    "ledger": "`Solution.ledger` is made by it",
    "measure": "`wgf.Ensemble` and `wgf.Noise` are its names",
    "ops": "operations on arrays, compiled",
    "process": "signals and threads",
    "storage": "files and folders of runs",
    "summation": "how sums over pairs are taken",
    "wire": "messages between processes",
}
"""Rooms whose names are for the package itself, with what they are. All others have pages."""
WITHOUT = ("REGISTRY", "NAMES", "Task", "checked", "realised_by_noise", "Sent")
TERMS = {
    "Energies": "energies",
    "Entropies": "entropies",
}
"""The sections of the page of `wgf` that are filled from a registry."""
ELSEWHERE: list[tuple[str, str]] = []
"""References that point out of these pages."""


def names(module: str) -> list[str]:
    """The public names of a module; of one without `__all__` its own classes and functions."""
    found = importlib.import_module(module)
    listed = getattr(found, "__all__", None)
    if listed is None:
        own = (name for name, value in vars(found).items() if getattr(value, "__module__", "") == module)
        listed = [name for name in own if not name.startswith("_")]
    if module == "wgf.errors":  # its other names check arguments inside of the package
        kinds = {name: getattr(found, name) for name in listed}
        listed = [name for name, kind in kinds.items() if inspect.isclass(kind) and issubclass(kind, Exception)]
    return [name for name in listed if name not in WITHOUT and not inspect.ismodule(getattr(found, name))]


def public() -> Iterator[tuple[str, str, Any]]:
    """Every public name once: its module, the name, the object."""
    seen: set[int] = set()
    for module in MODULES:
        for name in names(module):
            value = getattr(importlib.import_module(module), name)
            if callable(value):
                if id(value) in seen:
                    continue
                seen.add(id(value))
            yield module, name, value


def named(name: str) -> Any:
    """The object of a full name, `wgf.kernels.Gaussian` or `wgf.Solution.plot`. AttributeError where there is none."""
    value: Any = importlib.import_module("wgf")
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return value


def relatives(doc: str) -> list[str]:
    """The full names in the section See Also of a docstring."""
    section = re.search(r"^See Also\n-+\n(.*?)(?:\n\n|\Z)", doc, re.MULTILINE | re.DOTALL)
    lines = section[1].splitlines() if section else []
    return [name for line in lines for name in re.findall(r"wgf(?:\.\w+)+", line.partition(" : ")[0])]


def summarised(lines: list[str]) -> list[str]:
    """A docstring in which each name of See Also stands on its own line, with the first line of its own docstring."""
    if "See Also" not in lines:
        return lines
    begin = lines.index("See Also") + 2
    end = next((k for k in range(begin, len(lines)) if not lines[k]), len(lines))
    made = []
    for line in lines[begin:end]:
        found = [] if " : " in line else relatives(f"See Also\n--\n{line}")
        made += [f"{name} : {(inspect.getdoc(named(name)) or '').partition(chr(10))[0]}" for name in found] or [line]
    return [*lines[:begin], *made, *lines[end:]]


def require_all_rooms() -> None:
    """Stop where a package of wgf is neither in the reference nor named in INSIDE."""
    package = Path(str(importlib.import_module("wgf").__file__)).parent
    rooms = {room.name for room in pkgutil.iter_modules([str(package)])} | {"solvers", "benchmarks"}
    listed = {module.partition(".")[2].partition(".")[0] for module in MODULES} | set(INSIDE) | {"__main__"}
    if rooms - listed:
        raise SystemExit(f"docs/reference.py: MODULES or INSIDE must have {', '.join(sorted(rooms - listed))}.")


def listed(title: str, found: list[str], mark: str = "-") -> str:
    """A table of names, each with a page."""
    lines = [title, mark * len(title), "", ".. autosummary::", "   :toctree: api", "   :nosignatures:", ""]
    return "\n".join([*lines, *(f"   {name}" for name in found), "", ""])


def page(module: str, found: list[str]) -> str:
    """The page of a module."""
    head = f"{module}\n{'=' * len(module)}\n\n.. automodule:: {module}\n\n"
    if module != "wgf":
        return head + listed("Names", found)
    parts = {
        title: [name for name in found if name in importlib.import_module(f"wgf.{room}").REGISTRY]
        for title, room in TERMS.items()
    }
    rest = [name for name in found if not any(name in part for part in parts.values())]
    return head + "".join(listed(title, part) for title, part in {"Runs and their parts": rest, **parts}.items())


def write(folder: Path) -> None:
    """Write the pages anew."""
    require_all_rooms()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    by_module: dict[str, list[str]] = {module: [] for module in MODULES}
    for module, name, _ in public():
        by_module[module].append(name)
    for module, found in by_module.items():
        (folder / f"{module}.rst").write_text(page(module, found), encoding="utf-8")
    rows = "\n".join(
        f"   * - :doc:`{module}`\n     - {text}\n     - {len(by_module[module])}" for module, text in MODULES.items()
    )
    (folder / "index.rst").write_text(INDEX.format(rows=rows, pages="\n".join(f"   {m}" for m in MODULES)), "utf-8")


INDEX = """Reference
=========

Every public name has a page with its arguments, what it raises, and an example that a test runs.

.. list-table::
   :header-rows: 1
   :widths: 30 60 10

   * - module
     - what is in it
     - names
{rows}

.. toctree::
   :hidden:

{pages}
"""
