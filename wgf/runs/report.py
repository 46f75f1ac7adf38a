"""The report of a run: one self-contained HTML page, made from the files of the run directory."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import figures
from ..diagnostics.force_report import HEADER, force_report
from ..errors import CheckpointError, ConfigError, shown, with_minus
from ..flow.timing import told
from ..ledger import Ledger
from ..process.signals import Mode, during
from ..storage import write_whole
from . import store
from .page import image, render

TEMPLATE = Path(__file__).with_name("report.html")


@dataclass(frozen=True)
class Section:
    """A section of the report: a figure with a text that says what to look at.

    `image` is a data URI and `width` its width in per cent of the page. `verdict` is a line in bold below the figure;
    then follow `table`, whose first row is the header, and `remarks`.
    """

    name: str
    title: str
    text: str
    image: str
    width: int
    note: str
    verdict: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    remarks: tuple[str, ...] = ()


def write_report(directory: str | Path) -> Path:
    """Write report.html of a run directory from its stored files.

    Parameters
    ----------
    directory : str or Path
        The directory of a run. An older report.html in it is replaced.

    Returns
    -------
    Path
        The path of report.html.

    Raises
    ------
    ConfigError
        Where `directory` is not a run directory.
    CheckpointError
        Where a file in it is missing or damaged, or the report cannot be written.
    """
    folder = Path(directory)
    if not os.path.isfile(folder / store.SUMMARY):  # False also for names that no file can have
        raise ConfigError(f"{folder} is no run directory: it has no {store.SUMMARY}.")
    summary = store.read_json(folder / store.SUMMARY)
    sealed = "checksums" in summary  # version 0.1.0 had none: then one warning is enough
    if sealed:
        store.require_unchanged(folder, summary, (store.CONFIG, store.VERSIONS, store.METRICS, store.FRAMES))
    ledger = store.read_ledger(folder, summary.get("notes", {}))
    if summary.get("records", ledger.rows) != ledger.rows:
        told = f"{ledger.rows} records in {store.METRICS}, {shown(summary['records'])} by {store.SUMMARY}"
        raise CheckpointError(f"{folder} is damaged: {told}.")
    pictures = store.read_frames(folder / store.FRAMES, warn=sealed)
    versions, config = store.read_json(folder / store.VERSIONS, warn=sealed), _text(folder / store.CONFIG)
    try:
        page = _page(summary, ledger, pictures, versions, config)
    except Exception as error:  # values of a wrong kind, in any of many places
        if sealed:  # the files are as they were written: a fault of ours
            raise
        what = f"{type(error).__name__}: {error}"
        raise CheckpointError(
            f"{folder}: {store.SUMMARY}, {store.METRICS} or {store.FRAMES} is damaged ({what})."
        ) from error
    path = folder / store.REPORT
    with during(Mode.HOLD):  # half a page is never left behind
        write_whole(path, page.encode(), "the report")
    return path


def _text(path: Path) -> str:
    try:
        return store.read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error


def _page(
    summary: dict[str, Any],
    ledger: Ledger,
    pictures: tuple[list[float], np.ndarray, np.ndarray | None],
    versions: dict[str, Any],
    config: str,
) -> str:
    return render(
        TEMPLATE,
        summary=summary,
        cards=headlines(summary),
        sections=_sections(summary, ledger, *pictures),
        missing=_missing(ledger),
        versions=versions,
        config=config,
        started=re.sub(r"T(\S+?)([+-])", r" \1 \2", summary["started"]),
    )


def number(value: float | None, digits: int = 4) -> str:
    """A number as text for people; a missing one is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    return with_minus(f"{value:.{digits}g}")


def percent(value: float | None, signed: bool = False) -> str:
    """A fraction as text in per cent; a missing one is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    return with_minus(f"{100 * value:{'+' if signed else ''}.1f} %")


def headlines(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The main numbers of a run: tuples (name, number, a remark on it)."""
    start, final = summary["start"], summary["final"]
    cards = [("free energy F", number(final["free_energy"]), f"from {number(start['free_energy'])} at the start")]
    task = summary.get("task")  # none where there is no network
    if task == "classification":
        cards.append(("test accuracy", percent(final["test_accuracy"]), f"train {percent(final['train_accuracy'])}"))
    elif task is not None:
        r2 = f"R² {number(final['test_r2'], 3)}; train {number(final['train_loss'], 3)}"
        cards.append(("test loss", number(final["test_loss"], 3), r2))
    closure, error = final.get("closure_total"), final.get("closure_error")
    beside = (
        "released over dissipated, less 1"
        if error is None
        else f"± {percent(error)} (errors of the estimates, and records between which D is not known)"
    )
    cards.append(("closure", percent(closure, signed=True), beside))
    ratio = summary["force_ratio"]
    ends = ["–"] if ratio is None else list(dict.fromkeys(number(end, 2) for end in ratio))
    beside = "smallest and largest of the run" if len(ends) == 2 else "throughout the run"
    cards.append(("force ratio I / G", " … ".join(ends), beside))
    distance = summary["wasserstein"] or {}
    meaning = {"emd": "exact", "1d": "exact", "sliced": "lower bound by slices"}
    cards.append(("W₂ from the start", number(distance.get("distance")), meaning.get(distance.get("method", ""), "")))
    beside = f"{summary['steps']} steps to t = {number(summary['t'])}{_spent(summary)}"
    cards.append(("time", f"{number(summary['seconds'], 3)} s", beside))
    return cards


def _spent(summary: dict[str, Any]) -> str:
    """Where the time of the run went; empty where the summary does not know it."""
    parts = summary.get("timing")
    if parts is None:
        return ""
    others = {"data and files": max(summary["seconds"] - sum(parts.values()), 0.0)}
    return f": {told(parts | others)}"


def _sections(
    summary: dict[str, Any], ledger: Ledger, times: list[float], frames: np.ndarray, weights: np.ndarray | None
) -> list[Section]:
    picked = sorted({0, int(np.abs(np.array(times) - times[-1] / 2).argmin()), len(times) - 1})
    known = np.isfinite(ledger["distance_from_start"])
    moments, distances = ledger["t"][known].tolist(), ledger["distance_from_start"][known].tolist()
    if summary["wasserstein"] and (not moments or summary["t"] > moments[-1]):  # a run that ended between records
        moments, distances = [*moments, summary["t"]], [*distances, summary["wasserstein"]["distance"]]
    n = summary["particles"]["n"]
    forces = force_report(ledger)
    sizes = None if weights is None else [weights[k] for k in picked]
    drawn = [
        ("free-energy", figures.free_energy(ledger), ""),
        ("dissipation", figures.dissipation(ledger), ledger.notes.get("closure", "")),
        ("information-force", figures.information_force(ledger, forces), ledger.notes.get("entropy", "")),
        *([("learning", figures.learning(ledger), "")] if "test_loss" in ledger else []),
        ("particles", figures.particles([frames[k] for k in picked], [times[k] for k in picked], sizes),
         _shown(frames[picked], n)),
        ("transport", figures.transport(moments, distances, None if "closure_error" in ledger else ledger),
         ledger.notes.get("distance_from_start", "")),
    ]  # fmt: skip
    texts = TEXTS | ({"dissipation": ESTIMATED} if "closure_error" in ledger else {})
    rows = [tuple(with_minus(cell) for cell in row) for row in forces.rows()]
    verdict = forces.verdict[0].upper() + forces.verdict[1:]
    below = {"information-force": (verdict, (HEADER, *rows), tuple(forces.remarks()))}
    return [Section(name, *texts[name], *image(figure), note, *below.get(name, ())) for name, figure, note in drawn]


def _shown(frames: np.ndarray, n: int) -> str:
    """Which particles the pictures show; empty where it is all of them."""
    kept = frames.shape[1]
    notes = [f"the first {kept} of {n} particles are shown"] if kept < n else []
    bad = int((~np.isfinite(frames).all(2)).sum(1).max())
    if bad:
        notes.append(f"up to {bad} of {kept} particles of a picture are NaN or infinite in float32 and are not drawn")
    return "; ".join(notes)


ESTIMATED = (
    "Dissipation and closure",
    "D is the rate at which the flow gives up free energy. In this run it is known only at the records (noise or "
    "minibatches act between them). So closure, the relative difference of the released and the dissipated free "
    "energy, shows not only the time step, but also the errors of the estimates and the spacing of the records.",
)
"""Title and text of the section where the ledger estimates the dissipation."""

TEXTS = {
    "free-energy": (
        "Free energy",
        "The run lowers the free energy F = E − T·S: the energy E (the loss and any further energies) is traded "
        "against the entropy S at temperature T. Unless something drives it from outside, F falls at every step. The "
        "right panel shows the contribution of each term; they add up to F.",
    ),
    "dissipation": (
        "Dissipation and closure",
        "D is the rate at which the flow gives up free energy. Along the exact flow all released free energy is "
        "dissipated, so the two curves in the middle agree. Closure is their relative difference. It measures the "
        "error of the time step: inside the green band (±10 %) the step resolves the flow; outside it, take a smaller "
        "dt.",
    ),
    "information-force": (
        "Information force",
        "The loss pushes the particles with the force G, the entropy with the force I. The entropy has an effect "
        "where the ratio I/G is not small. The alignment is the cosine of the angle between the two forces: at −1 with "
        "a ratio of 1 they cancel, and the run is at rest. Shaded are the times at which the entropy does not act as "
        "it should: weak compared with the loss, unstable, or misaligned. Misaligned means that it pushes the "
        "particles together: its force has a negative cosine with that of the log-determinant of the covariance.",
    ),
    "learning": (
        "Learning",
        "How well the network does on its training samples and on the test samples, which it does not see in "
        "training. A test loss that rises while the training loss falls is a sign of overfitting.",
    ),
    "particles": (
        "Particles",
        "Each point is a particle (a neuron), at the start, in the middle and at the end of the run. The pictures "
        "share one plane and one scale. The plane has the two directions in which the particles vary most; each axis "
        "names its share of the variance.",
    ),
    "transport": (
        "Distance from the start",
        "The Wasserstein distance W₂ says how far the particles as a whole have moved from their start. It cannot "
        "exceed the length of their path, dashed where it is known. A distance far below that length means that they "
        "took a detour.",
    ),
}
"""Title and text of each section, by its name."""


def _missing(ledger: Ledger) -> list[tuple[str, str]]:
    """Columns without a single value, grouped by the reason."""
    estimate = ledger.notes.get("dissipation") or ledger.notes.get("entropy") or ""
    own = {
        "closure": figures.why_no_closure(ledger),
        "closure_total": figures.why_no_closure(ledger),
        "closure_error": "it is known only where noise realises the entropy and can be estimated",
        "alignment": estimate or "it needs two forces",
    }
    reasons: dict[str, list[str]] = {}
    for name in ledger.columns:
        if not np.isfinite(ledger[name]).any():
            reason = own.get(name) or ledger.notes.get(name) or estimate or "undefined in this run"
            reasons.setdefault(reason, []).append(name)
    return [(", ".join(names), reason) for reason, names in reasons.items()]
