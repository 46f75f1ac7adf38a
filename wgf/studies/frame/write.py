"""The output directory of a study: study.json, tables as CSV, figures as SVG and PNG, and a one-page report."""

from __future__ import annotations

import datetime
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import Facts, WgfError, with_minus
from ...figures.vector import Image, svg
from ...process import signals
from ...runs import store
from ...runs.directory import Place, partial_of, writing
from ...runs.page import render
from ...storage import DirectoryLock
from ...sweeps import Work
from ...sweeps.results import held
from ...sweeps.table import csv_text
from .finding import Finding, Verdict
from .study import Outcome, Study, Table

STUDY, TEMPLATE = "study.json", Path(__file__).with_name("study.html")
RUNS = "runs"
"""The folder in an unfinished directory that keeps the results of the runs until the study is over."""
SECONDS = "seconds.json"
"""The file in it that has the seconds that earlier calls took."""
NAMED = 2
"""The sentence at the top names at most so many expectations that were not met."""
ROWS_SHOWN = 40
"""The report shows at most this many rows of a table; the CSV file has them all."""


@dataclass(frozen=True, eq=False, repr=False)
class StudyResult(Facts):
    """A finished study: its settings, its outcome, the directory with the report, and the seconds it took."""

    study: Study
    outcome: Outcome
    directory: Path
    seconds: float

    def _facts(self) -> dict[str, Any]:
        given = [finding.verdict for finding in self.outcome.findings]
        told = ", ".join(f"{given.count(verdict)} {verdict.value}" for verdict in Verdict)
        return {"study": self.study.name, "findings": told, "report": self.report, "seconds": round(self.seconds, 1)}

    @property
    def report(self) -> Path:
        """The path of report.html."""
        return self.directory / store.REPORT


def run_study(study: Study, directory: str | Path | None, work: Work, quick: bool = False) -> StudyResult:
    """Run a study and write its directory. The directory gets its name only when it is complete.

    Parameters
    ----------
    study : Study
        The study with its settings.
    directory : str or Path, optional
        A new or empty directory; by default runs/<name>-<date>-<time>.
    work : Work
        Does the runs.
    quick : bool
        Whether these are the small settings; for the summary and the report.

    Returns
    -------
    StudyResult
        The outcome and the directory.

    Raises
    ------
    ConfigError
        Where the directory is not empty.
    CheckpointError
        Where it cannot be written.

    Notes
    -----
    Until the study is complete it is in DIRECTORY.partial, with the result of every run that is done. If it is killed
    or fails, the same call goes on: with the same directory, or by default with the last one of the same settings. The
    seconds of calls that a signal or an error stopped are counted.
    """
    started, clock = datetime.datetime.now().astimezone(), time.perf_counter()
    with signals.caught(), _place(study, directory, work.progress) as place:
        runs = place.partial / RUNS
        work, before = work.kept_in(runs), _seconds(runs)
        try:
            with signals.during(signals.Mode.RAISE):
                outcome = study.run(work)
        except BaseException as error:
            kept = len(list(runs.glob("*/result.safetensors")))
            place.goes_on = kept > 0
            if kept:
                store.write_json(runs / SECONDS, {"seconds": before + time.perf_counter() - clock})
                error.add_note(f"{kept} of its runs are kept in {place.partial}; the same command goes on")
            raise
        place.keep = True  # hours of work may be in it
        seconds = before + time.perf_counter() - clock
        _write(place.partial, outcome, _summary(study, outcome, quick, started, seconds))
        shutil.rmtree(runs)
    return StudyResult(study, outcome, place.path, seconds)


def _seconds(runs: Path) -> float:
    """The seconds that earlier calls took, where they were stopped by a signal or an error; 0 for a first call."""
    with suppress(WgfError, OSError, ValueError, KeyError, TypeError):
        return float(store.read_json(runs / SECONDS)["seconds"])
    return 0.0


@contextmanager
def _place(study: Study, directory: str | Path | None, told: bool) -> Iterator[Place]:
    """A place for the study, held by this process: a new one, or that of a killed call with the same settings."""
    settings = store.plain({"settings": study.settings, "wgf": store.versions()["wgf"]})
    again = _unfinished(study.name, directory, settings)
    with writing(directory, study.name, again) as place, ExitStack() as stack:
        runs = place.partial / RUNS
        runs.mkdir(exist_ok=True)
        stack.enter_context(held(runs))
        if again is None:
            store.write_json(runs / STUDY, settings)
        elif told:
            print(f"going on with {place.partial}", file=sys.stderr)
        yield place


def _unfinished(name: str, directory: str | Path | None, settings: dict[str, Any]) -> Path | None:
    """The path of a study with these settings that was killed; without a `directory`, the last one of this name."""
    if directory is None:
        found = sorted(Path("runs").absolute().glob(f"{name}-*.partial"), reverse=True)
    else:
        found = [partial_of(Path(os.path.abspath(directory)))]
    for partial in found:
        with suppress(WgfError, OSError, ValueError):
            stored = store.read_json(partial / RUNS / STUDY)
            if {key: stored.get(key) for key in settings} == settings and not DirectoryLock(partial / RUNS).held():
                return partial.with_name(partial.name.removesuffix(".partial"))
    return None


def _write(folder: Path, outcome: Outcome, summary: dict[str, Any]) -> None:
    """Write the tables, the figures, the summary with their checksums, and the report."""
    for name in ("tables", "figures"):
        (folder / name).mkdir()
    for table in outcome.tables:
        text = csv_text(table.columns, table.rows)
        (folder / "tables" / f"{table.name}.csv").write_text(text, encoding="utf-8", newline="")
    for figure in outcome.figures:  # a file stands alone, so it needs the title that the page has as a heading
        figure.drawing.suptitle(figure.title, fontsize=11)
        (folder / "figures" / f"{figure.name}.svg").write_bytes(svg(figure.drawing))
        figure.drawing.savefig(folder / "figures" / f"{figure.name}.png", dpi=150)
        figure.drawing.suptitle("")
    checksums = {name: value for name, value in store.checksums(folder).items() if not name.startswith(f"{RUNS}/")}
    store.write_json(folder / STUDY, summary | {"checksums": checksums})
    (folder / store.REPORT).write_text(_page(summary, outcome), encoding="utf-8")


def _summary(study: Study, outcome: Outcome, quick: bool, started: datetime.datetime, seconds: float) -> dict[str, Any]:
    command = f"wgf study {study.name}" + (" --quick" if quick else "")
    usual = type(study)().quick() if quick else type(study)()
    for name in ("seeds", "first_seed"):
        if study.settings[name] != usual.settings[name]:
            command += f" --{name.replace('_', '-')} {study.settings[name]}"
    return {
        "name": study.name,
        "title": study.title,
        "question": study.question,
        "command": command,
        "quick": quick,
        "started": started.strftime("%Y-%m-%d %H:%M:%S %z"),
        "seconds": seconds,
        "settings": study.settings,
        "seeds": study.seed_numbers,
        "findings": [_finding(finding) for finding in outcome.findings],
        "limits": list(outcome.limits),
        "tables": [table.name for table in outcome.tables],
        "figures": [figure.name for figure in outcome.figures],
        "versions": store.versions(),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    measured = finding.measured
    return {
        "asked": finding.asked,
        "value": measured.value,
        "low": measured.low,
        "high": measured.high,
        "level": measured.level,
        "method": measured.method,
        "expected": finding.expected,
        "verdict": finding.verdict.value,
        "criterion": finding.criterion,
        "remark": finding.remark,
    }


def shown(entry: Any) -> str:
    """An entry of a table as text for people: four digits, and a dash for a missing one."""
    if isinstance(entry, (float, np.floating)):
        return with_minus(f"{float(entry):.4g}") if math.isfinite(entry) else "–"
    if isinstance(entry, (list, tuple)):
        return ", ".join(shown(part) for part in entry)
    return "–" if entry is None else str(entry)


def _numbers(table: Table) -> list[int]:
    """The columns that have numbers, which are aligned at the right."""
    numbers = (int, float, np.integer, np.floating)
    columns = range(len(table.columns))
    return [k for k in columns if any(isinstance(row[k], numbers) and row[k] is not True for row in table.rows)]


def answer(findings: Sequence[Finding]) -> str:
    """What the study found, in one sentence: the expectations that were met, and those that were not."""
    kinds = {verdict: [f.asked for f in findings if f.verdict is verdict] for verdict in Verdict}
    count = len(findings)
    met, against, open_ = (kinds[v] for v in (Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.UNDECIDED))
    if len(met) == count:
        return f"All {count} expectations are supported by the measurement." if count > 1 else f"Supported: {met[0]}."
    are = "is" if len(met) == 1 else "are"
    parts = [f"{len(met)} of {count} expectations {are} supported" if count > 1 else ""]
    for what, names in (("contradicted", against), ("undecided", open_)):
        more = f"; and {len(names) - NAMED} more" if len(names) > NAMED else ""
        parts += [f"{what}: {'; '.join(names[:NAMED])}{more}" if names else ""]
    told = ". ".join(part[0].upper() + part[1:] for part in parts if part)
    return f"{told}."


def _page(summary: dict[str, Any], outcome: Outcome) -> str:
    def rows(table: Table) -> Sequence[Sequence[str]]:
        return [[shown(entry) for entry in row] for row in table.rows[:ROWS_SHOWN]]

    findings = [
        {
            **entry,
            "shown": str(finding.measured),
            "expected_shown": f"{entry['expected']:.6g}" if entry["expected"] is not None else "",
            "method": entry["method"] if entry["level"] == 1 else f"{100 * entry['level']:g} %, {entry['method']}",
        }
        for entry, finding in zip(summary["findings"], outcome.findings, strict=True)
    ]
    settings = {name: shown(value) for name, value in summary["settings"].items()}
    given = [finding.verdict for finding in outcome.findings]
    verdicts = ", ".join(f"{given.count(verdict)} {verdict.value}" for verdict in Verdict)
    figures = [
        {"name": figure.name, "title": figure.title, "caption": figure.caption, "image": Image.of(figure.drawing)}
        for figure in outcome.figures
    ]
    tables = [
        {
            "name": table.name,
            "title": table.title,
            "text": table.text,
            "first": table.first,
            "columns": table.columns,
            "rows": rows(table),
            "numbers": _numbers(table),
            "cut": len(table.rows) if len(table.rows) > ROWS_SHOWN else 0,
        }
        for table in outcome.tables
    ]
    study = {**summary, "findings": findings, "settings": {**summary["settings"]}}
    told = answer(outcome.findings)
    return render(
        TEMPLATE, study=study, answer=told, verdicts=verdicts, shown_settings=settings, figures=figures, tables=tables
    )
