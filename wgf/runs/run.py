"""One `wgf run` from start to end: load the data, train, observe at every record, and write the run directory."""

from __future__ import annotations

import datetime
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import WgfError, WgfWarning
from ..flow import Monitor, Outcome, Row, Solution, Status, reporter
from ..ledger import Ledger
from ..process import signals
from ..process.signals import Mode
from ..summation import load_costs
from . import store
from .config import Config, dump
from .directory import Place, choose, writing
from .job import Job, Watch
from .jobs import prepare
from .report import write_report


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes
    ----------
    directory : Path
        The run directory.
    summary : dict
        The content of summary.json.
    solution : Solution
        The solution that `wgf.solve` returned.
    warnings : tuple of str
        The warnings of the run, also in the summary.
    """

    directory: Path
    summary: dict[str, Any]
    solution: Solution
    warnings: tuple[str, ...] = ()


def run(config: Config, directory: str | Path | None = None, progress: bool = True) -> RunResult:
    """Carry out the run of a configuration and write the run directory.

    Parameters
    ----------
    config : Config
        The checked configuration, from `load_config`.
    directory : str or Path, optional
        A new or empty directory; by default the one in `config`, else runs/<data>-<date>-<time>.
    progress : bool
        Whether to show the progress.

    Returns
    -------
    RunResult
        The directory, the summary and the solution.

    Raises
    ------
    WgfError
        Where the configuration or the data are wrong, or the run fails before its first record. Nothing is left on
        the disk then. A run that fails or is interrupted later is written, with its status. Where it cannot be written,
        as on a full disk, the error names the directory with what there is.

    Notes
    -----
    SIGINT, SIGTERM and SIGHUP end the run at the end of its step, and it is saved; a second one ends a long step. While
    files are written they wait. Handlers of the caller's own stay in charge. A SIGTERM or SIGHUP without one ends the
    process when the run is saved.
    """
    started, clock = datetime.datetime.now().astimezone(), time.perf_counter()
    out, name = directory or config.output.directory, config.name
    with signals.caught():
        choose(out, name)  # refused before the data are read
        with signals.during(Mode.RAISE):
            job = prepare(config)
        with writing(out, name) as place:
            solution, summary, warned = _carried_out(job, place, reporter(progress), started, clock)
        if not signals.arrived():  # else interrupted while files were written
            _draw(place.path, warned)
    for message in warned:
        warnings.warn(message, WgfWarning, stacklevel=2)
    return RunResult(place.path, summary, solution, tuple(warned))


def _carried_out(
    job: Job, place: Place, shown: Monitor, started: datetime.datetime, clock: float
) -> tuple[Solution, dict[str, Any], list[str]]:
    """Solve, and write all files but the report. From the first record on, nothing that was computed is removed."""
    partial, watch = place.partial, Watch(job)
    (partial / store.CONFIG).write_text(dump(_with_costs(job.config, partial)), encoding="utf-8")
    store.write_json(partial / store.VERSIONS, store.versions(job.config.device))
    with store.metrics(partial) as write, _collected() as warned:
        stream = _Stream(write, shown, place)
        with signals.during(Mode.WAIT):
            solution = job.solve(watch, stream)
        solution = _interrupted(solution)
        _require_records(solution)
        failed = _failures(lambda: stream.complete(solution.ledger))
    failed += _failures(lambda: solution.ensemble.save(partial / store.FINAL))
    watch.finish(solution)
    if not math.isfinite(solution.ledger["free_energy"][-1]) and "entropy" in solution.ledger.notes:
        warned.append(f"free energy, entropy and closure are blank: {solution.ledger.notes['entropy']}.")
    times = {"started": started.isoformat(timespec="seconds"), "seconds": time.perf_counter() - clock}
    failed += _failures(lambda: store.write_frames(partial / store.FRAMES, watch.frames), partial / store.FRAMES)
    told = {"name": place.path.name} | times | job.summary(solution, watch, warned)
    summary = store.plain(told | {"checksums": store.checksums(partial)})  # of all files before it
    failed += _failures(lambda: store.write_json(partial / store.SUMMARY, summary), partial / store.SUMMARY)
    if failed:
        raise failed[0]
    return solution, summary, warned


def _failures(write: Callable[[], None], path: Path | None = None) -> list[OSError]:
    """Try to write a file, and remove half of one. On a full disk the others may still find room."""
    try:
        write()
    except OSError as error:
        if path is not None:
            with suppress(OSError):
                path.unlink()
        return [error]
    return []


def _interrupted(solution: Solution) -> Solution:
    """The solution with the status INTERRUPTED where a signal came and ended the run as another error."""
    if signals.taken() and not solution.status.ok:
        return replace(solution, status=Outcome(Status.INTERRUPTED))
    return solution


def _draw(directory: Path, warned: list[str]) -> None:
    """Draw the report. The run stands; an error or a signal costs the report alone."""
    try:
        with signals.during(Mode.RAISE):
            write_report(directory)
    except (Exception, KeyboardInterrupt) as error:
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
        warned.append(f"the report could not be drawn ({reason}); the results are kept, `wgf report` tries again.")


def _with_costs(config: Config, directory: Path) -> Config:
    """Copy the table of costs into the run directory, so that the stored configuration repeats the same choices."""
    if config.costs is None:
        return config
    (directory / store.COSTS).write_text(load_costs(config.costs).as_json(), encoding="utf-8")
    return config.model_copy(update={"costs": store.COSTS})


def _require_records(solution: Solution) -> None:
    """Raise an error for a run without a single record, so that its directory is removed."""
    if not solution.ledger.rows:
        if solution.status == Status.INTERRUPTED:
            raise KeyboardInterrupt
        raise WgfError(f"the run failed before its first record: {solution.status.message}")


class _Stream(Monitor):
    """Follows a run: writes every record to metrics.jsonl at once, shows the progress, and ends the run on a signal."""

    def __init__(self, write: Callable[[Row], None], shown: Monitor, place: Place) -> None:
        self._write, self._shown, self._place, self._rows = write, shown, place, 0

    @contextmanager
    def running(self, steps: int | None, t_end: float) -> Iterator[None]:
        with self._shown.running(steps, t_end):
            yield

    def recording(self, t: float) -> None:
        signals.check()
        self._shown.recording(t)

    def advance(self, done: int, t: float, row: Row | None) -> None:
        if row is not None:
            self._record(row)
        self._shown.advance(done, t, row)
        signals.check()

    def _record(self, row: Row) -> None:
        self._write(row)
        self._rows += 1
        self._place.keep = True

    def complete(self, ledger: Ledger) -> None:
        """Write the records that an exception kept from being written."""
        for index in range(self._rows, ledger.rows):
            self._record(ledger.row(index))


@contextmanager
def _collected() -> Iterator[list[str]]:
    """Collect the warnings of this package as text, for the summary. Other warnings are passed on."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", WgfWarning)
        yield messages
    for warning in caught:
        if issubclass(warning.category, WgfWarning):
            messages.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
