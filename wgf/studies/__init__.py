"""Whole questions, answered by runs with intervals: `wgf study NAME`.

A study is a frozen dataclass of settings with `run`, which returns an `Outcome`: tables, figures, findings with their
intervals and criteria, and what it does not show.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..extension import Registry
from .chaos import Chaos as Chaos
from .dissipation import Dissipation as Dissipation
from .frame import Estimate, Figure, Finding, Outcome, Study, Table, Verdict, Work, processors
from .generalisation import Generalisation as Generalisation
from .information_force import InformationForce as InformationForce
from .phase import Phase as Phase
from .scaling import Scaling as Scaling

if TYPE_CHECKING:
    from .frame.write import StudyResult

REGISTRY: Registry[Study] = Registry("study", Study, globals(), name=lambda study: study.name)
"""Every study by its name. A new study is one package and one import line above."""
NAMES = REGISTRY


def load(name: str, *, quick: bool = False, seeds: int | None = None, first_seed: int = 0, **settings: Any) -> Study:
    """A study by its name, at its default settings or the small ones, with some of them changed.

    ConfigError for an unknown name or setting, with the nearest known one.
    """
    study = REGISTRY.make(name)
    study = study.quick() if quick else study
    changes = settings | {"first_seed": first_seed} | ({} if seeds is None else {"seeds": seeds})
    return study.replace(**changes)


def run(
    name: str,
    *,
    quick: bool = False,
    seeds: int | None = None,
    first_seed: int = 0,
    out: str | Path | None = None,
    jobs: int | None = None,
    progress: bool = False,
    backend: str = "loky",
    scheduler: str | None = None,
    **settings: Any,
) -> StudyResult:
    """Run a study and write its directory: study.json, tables, figures and report.html.

    `out` is a new or empty directory, by default runs/<name>-<date>. `jobs` processes share the runs (by default one
    for each processor, and one in a quick study, which would be over before they have started); the numbers do not
    depend on it. `backend` and `scheduler` are those of `Work`. A study that was killed goes on: call it again. Returns
    a `StudyResult` with `outcome`, `directory` and `report`.
    """
    from .frame.write import run_study

    study = load(name, quick=quick, seeds=seeds, first_seed=first_seed, **settings)
    jobs = jobs if jobs is not None else 1 if quick else processors()
    return run_study(study, out, Work(jobs, progress, backend=backend, scheduler=scheduler), quick)


if not TYPE_CHECKING:  # a type checker goes by the imports above
    __all__ = [
        "NAMES",
        "REGISTRY",
        "Estimate",
        "Figure",
        "Finding",
        "Outcome",
        "Study",
        "Table",
        "Verdict",
        "Work",
        "load",
        "run",
        *(study.__name__ for study in REGISTRY.values()),
    ]
