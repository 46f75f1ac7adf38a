"""The page of the scaling benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..frame.facts import busy_note
from .model import PROCESSES, SIZES, WORTH, Model

GOOD = 0.9
"""The efficiency whose size is told."""


def page(result: Mapping[str, Any]) -> str:
    """The measured runs, the constants, and a table of predictions for each kind of work, as Markdown."""
    parts = [
        f"# One run on many processes{busy_note(result)}\n",
        f"Measured on {result.get('cpu', 'this machine')}, {result['date']}, by `python -m wgf.benchmarks.scaling`. "
        "Processes have one thread each and speak over loopback (gloo). Times are medians of runs that were made in "
        "turn, in milliseconds for one step.",
    ]
    parts += _weak(result["weak"]) if "weak" in result else []
    parts += _strong(result["strong"]) if "strong" in result else []
    for row in result.get("weak", ()):
        parts += _predictions(row)
    return "\n".join(parts) + "\n"


def _weak(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        "\n## The same number of particles for each process\n",
        "*Apart* are two processes at once that do not speak: what the cores of one machine leave. *Together* is one "
        "run of two processes. The efficiency is the time of one process over that of two together; apart they have "
        "the efficiency in the last column.\n",
        "| work | n per process | one | apart | together | efficiency | apart |",
        "|---|---|---|---|---|---|---|",
        *[line for row in rows for line in _measured(row)],
        "\n" + _enough(rows),
        "\n## The model\n",
        "T(n, R) = (a n/R + b) s (1 + w) + m (R − 1) λ + bytes/β, as in `wgf.benchmarks.scaling.model`. The constants "
        "are fitted to the smallest and the largest size. The size in between is a prediction.\n",
        "| work | n per process | one | model | off by | together | model | off by |",
        "|---|---|---|---|---|---|---|---|",
        *[_predicted(row) for row in rows],
        "",
        "| work | a, ns a particle | b, µs a step | s | w | m | λ, µs | β, GB/s |",
        "|---|---|---|---|---|---|---|---|",
        *[_constants(row) for row in rows],
        "\n## Bytes that a process sends in a step\n",
        "| work | measured | formula |",
        "|---|---|---|",
        *[_bytes(row) for row in rows],
    ]


def _strong(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        "\n## One process with two threads, and two with one each\n",
        "| work | n | one process, two threads | two processes | ratio |",
        "|---|---|---|---|---|",
        *[
            f"| {row['name']} | {row['two']['n']} | {1e3 * row['threads']['seconds']:.2f} | "
            f"{1e3 * row['two']['seconds']:.2f} | {row['two']['seconds'] / row['threads']['seconds']:.2f} |"
            for row in rows
        ],
    ]


def _model(row: Mapping[str, Any]) -> Model:
    return Model(**{**row["model"], "sums": tuple(row["model"]["sums"])})


def _measured(row: Mapping[str, Any]) -> list[str]:
    lines = []
    for size in row["sizes"]:
        one, apart, two = (size[name]["seconds"] for name in ("one", "apart", "two"))
        cells = [f"{1e3 * seconds:.2f}" for seconds in (one, apart, two)]
        lines.append(
            f"| {row['name']} | {size['one']['n']} | {' | '.join(cells)} | {one / two:.0%} | {one / apart:.0%} |"
        )
    return lines


def _enough(rows: Sequence[Mapping[str, Any]]) -> str:
    """From how many particles on the efficiency is GOOD, by the model."""
    told = []
    for row in rows:
        found = _model(row).enough(GOOD)
        many = "with no number of particles" if found is None else f"from {found} particles a process on"
        told.append(f"{row['name']} {many}")
    return f"By the model below an efficiency of {GOOD:.0%} is reached: {'; '.join(told)}."


def _predicted(row: Mapping[str, Any]) -> str:
    model, size, cells = _model(row), row["sizes"][1], []
    for name, processes in (("one", 1), ("two", 2)):
        found, told = size[name]["seconds"], model.seconds(size[name]["n"], processes)
        cells.append(f"{1e3 * found:.2f} | {1e3 * told:.2f} | {told / found - 1:+.0%}")
    return f"| {row['name']} | {size['one']['n']} | {' | '.join(cells)} |"


def _bytes(row: Mapping[str, Any]) -> str:
    few, many = row["sizes"][0]["two"], row["sizes"][2]["two"]
    sums = (few["sent"]["sums"] - many["sent"]["sums"]) / (few["steps"] - many["steps"])
    return f"| {row['name']} | {sums:.0f} | {few['formula'] if _model(row).messages else 0} |"


def _constants(row: Mapping[str, Any]) -> str:
    model = _model(row)
    return (
        f"| {row['name']} | {1e9 * model.particle:.2f} | {1e6 * model.step:.0f} | {model.shared:.2f} | "
        f"{model.waiting:.2f} | {model.messages:.1f} | {1e6 * model.latency:.0f} | {1e-9 * model.rate:.2f} |"
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
