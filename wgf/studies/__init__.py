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
    """Make a study by its name, at its default settings or the small ones, with some of them changed.

    Parameters
    ----------
    name : str
        The name, such as "chaos".
    quick : bool, default False
        Whether to take the small settings, which test that the study works.
    seeds : int, optional
        The number of replicas.
    first_seed : int ≥ 0
        The first seed.
    **settings
        Other settings of the study.

    Returns
    -------
    Study
        The study. `run()` carries it out and returns an `Outcome`.

    Raises
    ------
    ConfigError
        For an unknown name or setting, with the nearest known one.

    See Also
    --------
    wgf.studies.run, wgf.studies.Study

    Examples
    --------
    >>> load("chaos", seeds=4).seed_numbers
    [0, 1, 2, 3]
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

    A study that was killed goes on: call it again.

    Parameters
    ----------
    name : str
        The name, such as "chaos".
    quick, seeds, first_seed, **settings
        The settings, as for `load`.
    out : str or Path, optional
        A new or empty directory; by default runs/<name>-<date>.
    jobs : int, optional
        Number of processes that share the runs. By default one for each processor, and one in a quick study, which
        would be over before they have started. The numbers do not depend on it.
    progress : bool, default False
        Whether to show the progress.
    backend, scheduler
        Where the runs are done, as for `Work`.

    Returns
    -------
    StudyResult
        It has `outcome`, `directory` and `report`.

    Raises
    ------
    ConfigError
        For an unknown name or setting, or a directory that is not empty.

    See Also
    --------
    wgf.studies.load, wgf.studies.Outcome, wgf.sweeps.Work

    Examples
    --------
    >>> import tempfile
    >>> result = run("generalisation", quick=True, out=tempfile.mkdtemp())
    >>> result.report.name, len(result.outcome.findings)
    ('report.html', 9)
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
