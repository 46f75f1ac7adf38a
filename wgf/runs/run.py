"""One `wgf run` from start to end: load the data, train, observe at every record, and write the run directory."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data import SUFFIXES
from ..errors import Facts, WgfError, WgfWarning
from ..flow import Monitor, Outcome, Row, Solution, Status, loop, reporter
from ..flow.store import RunStore
from ..process import signals
from ..process.signals import Mode
from ..summation import load_costs
from ..wire import TIMEOUT
from . import store
from .config import Config, NetworkConfig, ProblemConfig, dump
from .directory import Place, choose, writing
from .job import Clock, Watch
from .jobs import prepare
from .report import write_report
from .together import require_heard, tell


@dataclass(frozen=True, repr=False)
class RunResult(Facts):
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

    See Also
    --------
    wgf.runs.run, wgf.Solution

    Examples
    --------
    >>> import tempfile, wgf
    >>> config = wgf.runs.load_config(None, ["network.neurons=100", "solver.dt=0.1", "solver.t_end=0.2"])
    >>> folder = tempfile.mkdtemp()
    >>> result = wgf.runs.run(config, folder, progress=False, report=False)
    >>> result.summary["status"], result.solution.ensemble.n
    ('COMPLETED', 100)
    """

    directory: Path
    summary: dict[str, Any]
    solution: Solution
    warnings: tuple[str, ...] = ()

    def _facts(self) -> dict[str, Any]:
        return {"directory": self.directory, "solution": repr(self.solution), "warnings": len(self.warnings)}


def run(
    config: Config,
    directory: str | Path | None = None,
    progress: bool = True,
    report: bool = True,
    timeout: float = TIMEOUT,
) -> RunResult:
    """Carry out the run of a configuration and write the run directory.

    Parameters
    ----------
    config : Config
        The checked configuration, from `load_config`.
    directory : str or Path, optional
        A new or empty directory; by default the one in `config`, else runs/<data>-<date>-<time>.
    progress : bool
        Whether to show the progress.
    report : bool
        Whether to draw the report; `write_report` can do so later.
    timeout : float
        In a process group of torch.distributed, whose processes share the particles: seconds after which a collective
        that hangs ends in a `CommunicationError`. The others call `together.follow`.

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

    See Also
    --------
    wgf.runs.load_config, wgf.runs.resume, wgf.runs.carry_on, wgf.solve

    Notes
    -----
    SIGINT, SIGTERM and SIGHUP end the run at the end of its step, and it is saved; a second one ends a long step. While
    files are written they wait. Handlers of the caller's own stay in charge. A SIGTERM or SIGHUP without one ends the
    process when the run is saved.

    Examples
    --------
    >>> import tempfile, wgf
    >>> config = wgf.runs.load_config(None, ["network.neurons=100", "solver.dt=0.1", "solver.t_end=0.2"])
    >>> folder = tempfile.mkdtemp()
    >>> result = wgf.runs.run(config, folder, progress=False, report=False)
    >>> sorted(path.name for path in result.directory.glob("*.toml"))
    ['config.toml']
    """
    clock = Clock()
    out, name = directory or config.output.directory, config.name
    with signals.caught():
        choose(out, name)  # refused before the data are read
        with signals.during(Mode.RAISE):
            job = prepare(config).divided(timeout)
        with writing(out, name) as place:
            partial = place.partial
            (partial / store.CONFIG).write_text(dump(with_costs(job.config, partial)), encoding="utf-8")
            store.write_json(partial / store.VERSIONS, store.versions(job.config.device))
            watch, shown = Watch(job, clock), reporter(progress)
            result = carried_out(place, watch, lambda keep: job.begin(keep, watch, shown))
        return drawn(result, report)


def carried_out(place: Place, watch: Watch, build: Callable[[RunStore], loop.Run], again: bool = False) -> RunResult:
    """Carry out a run in its directory, and write all files but the report.

    From the first record on, nothing that was computed is removed.

    Parameters
    ----------
    place : Place
        The directory.
    watch : Watch
        The observers.
    build : callable
        Gives the run in the store that it is given: a new one, or one that goes on.
    again : bool, default False
        Whether it goes on.

    Returns
    -------
    RunResult
        What there is.
    """
    partial = place.partial
    tell(watch.job, partial, again)
    with watch.job.store(partial) as keep, _collected() as warned:
        with signals.during(Mode.WAIT):
            keep.beside = watch.memory
            run = build(keep)
            run.monitor = _Stream(run.monitor, place)
            solution = run.go(throw=False)
        solution = _interrupted(solution)
        require_heard(solution.ensemble, solution.status.message)
        _require_records(solution)
        failed = _failures(lambda: keep.complete(solution.ledger))
    if solution.ensemble.whole:
        failed += _failures(lambda: solution.ensemble.save(partial / store.FINAL))
    watch.finish(solution)
    if not math.isfinite(solution.ledger["free_energy"][-1]) and "entropy" in solution.ledger.notes:
        warned.append(f"free energy, entropy and closure are blank: {solution.ledger.notes['entropy']}.")
    failed += _failures(lambda: store.write_frames(partial / store.FRAMES, watch.frames), partial / store.FRAMES)
    told = {"name": place.path.name} | watch.clock.memory() | watch.job.summary(solution, watch, warned)
    summary = store.plain(told | {"checksums": store.checksums(partial)})  # of all files before it
    failed += _failures(lambda: store.write_json(partial / store.SUMMARY, summary), partial / store.SUMMARY)
    if failed:
        raise failed[0]
    return RunResult(place.path, summary, solution, tuple(warned))


def drawn(result: RunResult, report: bool = True) -> RunResult:
    """Draw the report of a run if it is wanted, and give its warnings as warnings."""
    warned = list(result.warnings)
    if report and not signals.arrived():  # else interrupted while files were written
        _draw(result.directory, warned)
    for message in warned:
        warnings.warn(message, WgfWarning, stacklevel=3)
    return replace(result, warnings=tuple(warned))


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


def with_costs(config: Config, directory: Path) -> Config:
    """The configuration as it is stored: the path of data in full, and the table of costs copied to the directory."""
    data = config.data if isinstance(config, (NetworkConfig, ProblemConfig)) else None
    if data is not None and Path(data.source).suffix.lower() in SUFFIXES:
        source = str(Path(data.source).absolute())
        config = config.model_copy(update={"data": data.model_copy(update={"source": source})})
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
    """Follows a run: from the first record on its directory is kept, and a signal ends it."""

    def __init__(self, shown: Monitor, place: Place) -> None:
        self._shown, self._place = shown, place

    @contextmanager
    def running(self, steps: int | None, t_end: float) -> Iterator[None]:
        with self._shown.running(steps, t_end):
            yield

    def compiling(self) -> None:
        self._shown.compiling()

    def recording(self, t: float) -> None:
        signals.check()
        self._shown.recording(t)

    def advance(self, done: int, t: float, row: Row | None) -> None:
        self._place.keep = self._place.keep or row is not None
        self._shown.advance(done, t, row)
        signals.check()


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
