"""The page of the scaling benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..frame.facts import busy_note
from .model import PROCESSES, SIZES, WORTH, Model


def page(result: Mapping[str, Any]) -> str:
    """The measured runs, the constants, and a table of predictions for each kind of work, as Markdown."""
    rows = result["rows"]
    parts = [
        f"# One run on many processes{busy_note(result)}\n",
        f"Measured on {result.get('cpu', 'this machine')}, {result['date']}, by `python -m wgf.benchmarks.scaling`. "
        "Processes have one thread each and speak over loopback (gloo). Weak scaling: n per process is fixed. "
        "The third column is two such processes at once that do not speak: what the cores of one machine leave.\n",
        "| work | n per process | 1 process, ms a step | 2 apart, ms | 2 together, ms | efficiency | of what the cores "
        "leave | model for 2, ms | off by |",
        "|---|---|---|---|---|---|---|---|---|",
        *[_measured(row) for row in rows],
        "\n## Bytes that a process sends in a step\n",
        "| work | sums, measured | sums, formula | flags, measured |",
        "|---|---|---|---|",
        *[_bytes(row) for row in rows],
        "\n## Constants of the model\n",
        "T(n, R) = (a n/R + b) s + messages, as in `wgf.benchmarks.scaling.model`.\n",
        "| work | a, ns a particle | b, µs a step | s | λ, µs | β, GB/s | collectives a step |",
        "|---|---|---|---|---|---|---|",
        *[_constants(row) for row in rows],
    ]
    for row in rows:
        parts += _predictions(row)
    return "\n".join(parts) + "\n"


def _model(row: Mapping[str, Any]) -> Model:
    return Model(**{**row["model"], "sums": tuple(row["model"]["sums"])})


def _measured(row: Mapping[str, Any]) -> str:
    one, apart, two = row["large"]["seconds"], row["apart"], row["two"]["seconds"]
    told = _model(row).seconds(row["two"]["n"], 2)
    cells = [f"{1e3 * one:.2f}", f"{1e3 * apart:.2f}", f"{1e3 * two:.2f}", f"{one / two:.0%}", f"{apart / two:.0%}"]
    return f"| {row['name']} | {row['large']['n']} | {' | '.join(cells)} | {1e3 * told:.2f} | {told / two - 1:+.0%} |"


def _bytes(row: Mapping[str, Any]) -> str:
    two = row["two"]
    sums, flags = (two["sent"].get(kind, 0) / two["steps"] for kind in ("sums", "checks"))
    return f"| {row['name']} | {sums:.0f} | {two['formula']} | {flags:.0f} |"


def _constants(row: Mapping[str, Any]) -> str:
    model = _model(row)
    return (
        f"| {row['name']} | {1e9 * model.particle:.2f} | {1e6 * model.step:.0f} | {model.shared:.2f} | "
        f"{1e6 * model.latency:.0f} | {1e-9 * model.rate:.2f} | {model.collectives:.1f} |"
    )


def _predictions(row: Mapping[str, Any]) -> list[str]:
    """Seconds of a step and efficiency for each number of processes, and where more of them stop paying."""
    model = _model(row)
    lines = [
        f"\n## {row['name']}: predicted milliseconds of a step, and efficiency\n",
        f"| processes | {' | '.join(f'n = {n:.0e}'.replace('e+0', 'e') for n in SIZES)} |",
        f"|---|{'---|' * len(SIZES)}",
    ]
    for processes in PROCESSES:
        cells = []
        for n in SIZES:
            seconds = model.seconds(n, processes)
            share = model.seconds(n, 1) / (processes * seconds)
            cells.append(f"{1e3 * seconds:.3g} ({share:.0%})")
        lines.append(f"| {processes} | {' | '.join(cells)} |")
    most = ", ".join(f"{model.most(n)} for n = {n:.0e}".replace("e+0", "e") for n in SIZES)
    return [*lines, f"\nAn efficiency of {WORTH:.0%} is kept up to: {most} processes."]
