"""`wgf sweep`: carry out all runs of a plan in a directory, and write their table and page."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
import warnings
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, ConfigError, Facts, WgfError, WgfWarning
from ..runs import store
from ..runs.carry import carry_on
from ..runs.config import dump, validate
from ..runs.directory import partial_of
from ..runs.report import write_report
from ..runs.standing import Standing, standing
from .compare import write_table
from .page import BEST, write_page
from .plan import Plan, Planned
from .record import DRAWN, HEAD, RUNS, Record, evenly, failed, judged_by, ranked, read_record
from .results import held
from .table import Table
from .work import Work

CLAIMS = "claims"
"""The folder among the runs in which a process locks a run before it begins or resumes it."""
TAIL = 4096
"""The last record of a running run is in so many last bytes of its metrics.jsonl."""


@dataclass(frozen=True, eq=False, repr=False)
class SweepResult(Facts):
    """A sweep that has been carried out.

    Attributes
    ----------
    directory : Path
        The directory of the sweep.
    records : list of Record
        The runs, in the order of the plan.
    skipped : int
        How many of them were done before.
    report : Path
        The page.

    See Also
    --------
    wgf.sweeps.run_sweep, wgf.sweeps.Table

    Examples
    --------
    >>> SweepResult(Path("out"), [], 0, Path("out/report.html")).table.columns
    []
    """

    directory: Path
    records: list[Record]
    skipped: int
    report: Path

    def _facts(self) -> dict[str, Any]:
        failed = sum(not record.ok for record in self.records)
        return {"runs": len(self.records), "failed": failed, "skipped": self.skipped, "report": self.report}

    @property
    def table(self) -> Table:
        """Settings and end values of all runs, one row for each."""
        return Table(record.row() for record in self.records)


def run_sweep(plan: Plan, directory: str | os.PathLike[str], work: Work, best: str | None = None) -> SweepResult:
    r"""Carry out all runs of a plan. Those that are done are skipped, those that died are resumed.

    Parameters
    ----------
    plan : Plan
        The runs.
    directory : str or Path
        The directory of the sweep: a new one, or that of an earlier call. Each run is in runs/ID.
    work : Work
        Does the runs.
    best : str, optional
        The column of the ledger by which the page judges runs.

    Returns
    -------
    SweepResult
        All runs, those included that failed.

    Raises
    ------
    ConfigError
        If the directory holds something else.
    CheckpointError
        If it cannot be written.
    KeyboardInterrupt
        If a signal stops the sweep. What the runs have is in the directory, and its note says how many are done.

    See Also
    --------
    wgf.sweeps.load_plan, wgf.sweeps.Work, wgf.sweeps.compare

    Examples
    --------
    >>> import tempfile, wgf
    >>> from wgf.sweeps import Work, load_plan, run_sweep
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> settings = "[network]\nneurons = 80\n[data]\nsource = 'digits'\n[solver]\nt_end = 0.2\n"
    >>> _ = (folder / "steps.toml").write_text(f"{settings}[sweep]\nsolver.dt = [0.1]")
    >>> plan = load_plan(folder / "steps.toml")
    >>> done = run_sweep(plan, folder / "out", Work())
    >>> done.table["solver.dt"], done.skipped, done.report.name
    ([0.1], 0, 'report.html')
    >>> run_sweep(plan, folder / "out", Work()).skipped
    1
    """
    folder = Path(os.path.abspath(directory))
    _begin(plan, folder)
    places = {run.id: folder / RUNS / run.id for run in plan.runs}
    ready = {run.id for run in plan.runs if _is_done(places[run.id])}
    left = [run for run in plan.runs if run.id not in ready]
    errors: dict[str, Exception] = {}
    watch = _Watch({run.id: (places[run.id], run.config.solver.t_end) for run in left})
    tasks = [(dump(run.config), str(places[run.id])) for run in left]
    try:
        with closing(work.ended(f"runs of {plan.name}", carry, tasks, done=len(ready), running=watch.look)) as endings:
            for index, ending in endings:
                watch.over(left[index].id)
                if ending.error is not None:
                    errors[left[index].id] = ending.error
    except KeyboardInterrupt as stop:
        done = sum(_is_done(place) for place in places.values())
        stop.add_note(f"{done} of {len(places)} runs are done in {folder}; the same command goes on")
        raise
    drawn = evenly(len(plan.runs), DRAWN)
    records = [_record(run, places[run.id], errors, number in drawn) for number, run in enumerate(plan.runs)]
    with suppress(OSError):
        (folder / RUNS / CLAIMS).rmdir()
    write_table(records, folder)
    _draw(ranked(records, judged_by(records, best))[:BEST])
    intro = f"{len(records)} runs over {', '.join(plan.keys)}"
    write_page(folder / store.REPORT, f"Sweep {plan.name}", records, best, intro)
    return SweepResult(folder, records, len(ready), folder / store.REPORT)


def carry(configuration: str, folder: str) -> None:
    """One run of a sweep, in whatever process: begin it, resume it, or see that it is done."""
    config = validate(tomllib.loads(configuration))
    place = Path(folder)
    claim = place.parent / CLAIMS / place.name
    claim.mkdir(parents=True, exist_ok=True)
    with held(claim), warnings.catch_warnings():
        warnings.simplefilter("ignore", WgfWarning)  # its summary has them
        warnings.simplefilter("ignore", RuntimeWarning)  # overflow: the status says where it diverged
        if partial_of(place).is_dir() and not (partial_of(place) / store.CONFIG).exists():  # killed as it began
            shutil.rmtree(partial_of(place))
        summary = carry_on(config, place, report=False)
    with suppress(OSError):  # another process may look at it now
        claim.rmdir()
    if summary["status"] == "INTERRUPTED":
        raise KeyboardInterrupt


def _begin(plan: Plan, folder: Path) -> None:
    """Make the directory, or see that it is that of a sweep, and write down what the sweep is."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / HEAD).is_file():
        raise ConfigError(f"{folder} is not empty and no directory of a sweep; choose another with --out.")
    try:
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"cannot write to {folder}: {error.strerror or error}.") from error
    runs = [{"id": run.id, "settings": run.varied} for run in plan.runs]
    store.write_json(folder / HEAD, {"name": plan.name, "keys": plan.keys, "runs": runs})


def _is_done(place: Path) -> bool:
    with suppress(CheckpointError, KeyError):  # a damaged summary is told when the run is read
        return standing(place) is Standing.DONE
    return True


def _record(run: Planned, place: Path, errors: dict[str, Exception], with_ledger: bool) -> Record:
    if run.id in errors:
        return failed(run.id, run.varied, errors[run.id])
    try:
        return read_record(place, run.id, run.varied, with_ledger)
    except (CheckpointError, ConfigError) as error:
        return failed(run.id, run.varied, error)


def _draw(records: Sequence[Record]) -> None:
    """Draw the reports of the best runs, which the page links. `wgf report` draws those of others."""
    for record in records:
        if record.folder is not None and not (record.folder / store.REPORT).exists():
            with suppress(WgfError):
                write_report(record.folder)


class _Watch:
    """How far the running runs are, by the last record of each."""

    def __init__(self, runs: dict[str, tuple[Path, float]]) -> None:
        self._runs = dict(runs)

    def over(self, name: str) -> None:
        """Look at a run no more."""
        self._runs.pop(name, None)

    def look(self) -> tuple[float, str]:
        """How many runs the running ones are worth together, and words about them."""
        parts = [part for place, t_end in list(self._runs.values()) if (part := _part(place, t_end)) is not None]
        return sum(parts), f"{len(parts)} running" if parts else ""


def _part(place: Path, t_end: float) -> float | None:
    """The share of a run that is done, from 0 to 1; None if it has not begun."""
    for folder in (partial_of(place), place):
        with suppress(OSError, ValueError, TypeError, KeyError, IndexError):
            with open(folder / store.METRICS, "rb") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - TAIL, 0))
                lines = file.read().decode("utf-8", "replace").rsplit("\n", 2)
            return min(float(json.loads(lines[-2])["t"]) / t_end, 1.0) if t_end else 1.0
    return None
