"""The report of a run: one self-contained HTML page, made from the files of the run directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import figures
from ..diagnostics.force_report import force_report
from ..diagnostics.force_table import HEADER
from ..errors import CheckpointError, ConfigError, shown, with_minus
from ..figures.vector import Image
from ..ledger import Ledger
from ..process.signals import Mode, during
from ..storage import write_whole
from . import store
from .headlines import answer, headlines
from .page import render

TEMPLATE = Path(__file__).with_name("report.html")


@dataclass(frozen=True)
class Section:
    """A section of the report: a figure with a text that says what to look at.

    `verdict` is a line in bold below the figure; then follow `table`, whose first row is the header, `player`, a piece
    of HTML, and `remarks`.
    """

    name: str
    title: str
    text: str
    image: Image
    note: str
    verdict: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    remarks: tuple[str, ...] = ()
    player: str = ""


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

    See Also
    --------
    wgf.runs.run, wgf.figures.overview

    Examples
    --------
    >>> import tempfile, wgf
    >>> config = wgf.runs.load_config(None, ["network.neurons=100", "solver.dt=0.1", "solver.t_end=0.2"])
    >>> folder = tempfile.mkdtemp()
    >>> _ = wgf.runs.run(config, folder, progress=False, report=False)
    >>> wgf.runs.write_report(folder).name
    'report.html'
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
        answer=answer(summary),
        cards=[card for card in headlines(summary) if card[1] != "–"],
        sections=_sections(summary, ledger, *pictures),
        missing=_missing(ledger),
        machine=versions,
        config=config,
        started=re.sub(r"T(\S+?)([+-])", r" \1 \2", summary["started"]),
    )


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
    view = figures.View.of(list(frames), None if weights is None else list(weights))
    drawn = [
        ("free-energy", figures.free_energy(ledger), ""),
        ("dissipation", figures.dissipation(ledger), ledger.notes.get("closure", "")),
        ("information-force", figures.information_force(ledger, forces), ledger.notes.get("entropy", "")),
        *([("learning", figures.learning(ledger), "")] if "test_loss" in ledger else []),
        ("particles", figures.side_by_side(view.at(picked), [times[k] for k in picked]),
         _shown(frames[picked], n)),
        ("transport", figures.transport(moments, distances, None if "closure_error" in ledger else ledger),
         ledger.notes.get("distance_from_start", "")),
    ]  # fmt: skip
    texts = TEXTS | ({"dissipation": ESTIMATED} if "closure_error" in ledger else {})
    rows = [tuple(with_minus(cell) for cell in row) for row in forces.rows()]
    rows = [row for row in rows if any(cell not in ("–", "−") for cell in row[1:])]
    verdict = forces.verdict[0].upper() + forces.verdict[1:]
    below = {"information-force": (verdict, (HEADER, *rows), _together(forces.remarks()))}
    alone = ("particles", "transport")
    drawn = [entry for entry in drawn if entry[0] in alone or any(axis.lines for axis in entry[1].axes)]
    sections = [
        Section(name, *texts[name], Image.of(figure), note, *below.get(name, ())) for name, figure, note in drawn
    ]
    if len(times) < 2:
        return sections
    film = figures.player(view, times, themed=True)
    return [replace(section, player=film) if section.name == "particles" else section for section in sections]


def _together(remarks: Iterable[str]) -> tuple[str, ...]:
    """The remarks; what is not known for the same reason is told in one line."""
    found: dict[str, list[str]] = {}
    for remark in remarks:
        what, middle, why = remark.partition(" not known ")
        found.setdefault(middle + why or remark, []).append(what)
    return tuple(why if [why] == names else f"{', '.join(names)}{why}" for why, names in found.items())


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
