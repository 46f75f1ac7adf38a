"""The report: one self-contained HTML page, drawn from the files of a run directory alone."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import figures
from ..diagnostics.force_report import HEADER, force_report
from ..errors import CheckpointError, ConfigError
from ..ledger import Ledger
from . import store
from .page import image, render

TEMPLATE = Path(__file__).with_name("report.html")


@dataclass(frozen=True)
class Section:
    """A figure with what to look at in it; `image` is a data URI, `width` its share of the page in per cent.

    Below it may be a line in bold, a table (its first row is the header) and remarks.
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
    """Draw report.html of a run directory anew from its stored files, and return its path.

    Raises ConfigError where `directory` is no run directory, CheckpointError where a file of it is missing or damaged.
    """
    folder = Path(directory)
    if not (folder / store.SUMMARY).is_file():
        raise ConfigError(f"{folder} is no run directory: it has no {store.SUMMARY}.")
    summary = store.read_json(folder / store.SUMMARY)
    ledger = store.read_ledger(folder, summary.get("notes", {}))
    pictures = store.read_frames(folder / store.FRAMES)
    versions, config = store.read_json(folder / store.VERSIONS), _text(folder / store.CONFIG)
    try:
        page = _page(summary, ledger, pictures, versions, config)
    except KeyError as missing:
        raise CheckpointError(f"{folder}: {store.SUMMARY} or {store.METRICS} lacks {missing}.") from missing
    path, partial = folder / store.REPORT, folder / f"{store.REPORT}.partial"
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error


def _page(
    summary: dict[str, Any],
    ledger: Ledger,
    pictures: tuple[list[float], np.ndarray],
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
    """A number for people; a missing one is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}g}".replace("-", "−")


def percent(value: float | None, signed: bool = False) -> str:
    """A fraction in per cent."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:{'+' if signed else ''}.1f} %".replace("-", "−")


def headlines(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The numbers of a run that come first: (what, number, what is beside it)."""
    start, final = summary["start"], summary["final"]
    cards = [("free energy F", number(final["free_energy"]), f"from {number(start['free_energy'])} at the start")]
    if summary["task"] == "classification":
        cards.append(("test accuracy", percent(final["test_accuracy"]), f"train {percent(final['train_accuracy'])}"))
    else:
        r2 = f"R² {number(final['test_r2'], 3)}; train {number(final['train_loss'], 3)}"
        cards.append(("test loss", number(final["test_loss"], 3), r2))
    closure, error = final.get("closure_total"), final.get("closure_error")
    beside = (
        "released over dissipated, less 1"
        if error is None
        else f"± {percent(error)} (scatter and smoothing of the estimates)"
    )
    cards.append(("closure", percent(closure, signed=True), beside))
    ratio = summary["force_ratio"]
    ends = ["–"] if ratio is None else list(dict.fromkeys(number(end, 2) for end in ratio))
    beside = "smallest and largest of the run" if len(ends) == 2 else "throughout the run"
    cards.append(("force ratio I / G", " … ".join(ends), beside))
    distance = summary["wasserstein"] or {}
    meaning = {"emd": "exact", "1d": "exact", "sliced": "lower bound by slices"}
    cards.append(("W₂ from the start", number(distance.get("distance")), meaning.get(distance.get("method", ""), "")))
    cards.append(("time", f"{summary['seconds']:.0f} s", f"{summary['steps']} steps to t = {number(summary['t'])}"))
    return cards


def _sections(summary: dict[str, Any], ledger: Ledger, times: list[float], frames: np.ndarray) -> list[Section]:
    picked = sorted({0, int(np.abs(np.array(times) - times[-1] / 2).argmin()), len(times) - 1})
    known = np.isfinite(ledger["distance_from_start"])
    moments, distances = ledger["t"][known].tolist(), ledger["distance_from_start"][known].tolist()
    if summary["wasserstein"] and (not moments or summary["t"] > moments[-1]):  # a run that ended between records
        moments, distances = [*moments, summary["t"]], [*distances, summary["wasserstein"]["distance"]]
    n, kept = summary["particles"]["n"], frames.shape[1]
    forces = force_report(ledger)
    drawn = [
        ("free-energy", figures.free_energy(ledger), ""),
        ("dissipation", figures.dissipation(ledger), ledger.notes.get("closure", "")),
        ("information-force", figures.information_force(ledger, forces), ledger.notes.get("entropy", "")),
        ("learning", figures.learning(ledger), ""),
        ("particles", figures.particles([frames[k] for k in picked], [times[k] for k in picked]),
         f"the first {kept} of {n} particles are shown" if kept < n else ""),
        ("transport", figures.transport(moments, distances, None if "closure_error" in ledger else ledger),
         ledger.notes.get("distance_from_start", "")),
    ]  # fmt: skip
    texts = TEXTS | ({"dissipation": ESTIMATED} if "closure_error" in ledger else {})
    rows = [tuple(cell.replace("-", "−") for cell in row) for row in forces.rows()]
    verdict = forces.verdict[0].upper() + forces.verdict[1:]
    below = {"information-force": (verdict, (HEADER, *rows), tuple(forces.remarks()))}
    return [Section(name, *texts[name], *image(figure), note, *below.get(name, ())) for name, figure, note in drawn]


ESTIMATED = (
    "Dissipation and closure",
    "D is the rate at which the flow gives up free energy. In this run it is known only at the records (noise or "
    "minibatches act between them), so closure, the relative difference of what is released and what is dissipated, "
    "shows the estimates and the spacing of the records as well as the time step.",
)
"""What the text says where the ledger estimates."""

TEXTS = {
    "free-energy": (
        "Free energy",
        "The run lowers the free energy F = E − T·S: the energy E (the loss and any further energies) is traded "
        "against the entropy S at temperature T. Unless something drives it from outside, F falls at every step. On "
        "the right, what each term contributes; the contributions add up to F.",
    ),
    "dissipation": (
        "Dissipation and closure",
        "D is the rate at which the flow gives up free energy. Along the exact flow all that is released is "
        "dissipated, so the two curves in the middle lie on each other. Closure is their relative difference, and the "
        "error bar of the time step: inside the green band (±10 %) the step resolves the flow, outside it a smaller "
        "dt does better.",
    ),
    "information-force": (
        "Information force",
        "The loss pushes the particles with the force G, the entropy with the force I. The entropy has an effect "
        "where their ratio is not small. The alignment is the cosine of the angle between the two: at −1 with a ratio "
        "of 1 they cancel, and the run has come to rest. Shaded are the times at which the entropy does not act as it "
        "should: weak beside the loss, unstable, or misaligned (pushing against spread, by the cosine of its force "
        "with that of the log-determinant of the covariance).",
    ),
    "learning": (
        "Learning",
        "How well the network does on the samples it is trained on and on those kept aside. A test loss that rises "
        "again while the training loss falls is overfitting.",
    ),
    "particles": (
        "Particles",
        "Each point is a particle (a neuron), at the start, in the middle and at the end of the run. The pictures "
        "share one plane and one scale: the two directions in which the particles in them vary most, each with its "
        "share of the variance.",
    ),
    "transport": (
        "Distance from the start",
        "The Wasserstein distance W₂ says how far the particles as a whole have moved from where they began. It "
        "cannot exceed the length of the path they took, dashed where it is known: a distance far below it means a "
        "roundabout way.",
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
