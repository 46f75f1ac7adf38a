"""The commands `wgf sweep` and `wgf compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..process import signals
from .common import FAILED, app, errors_as_lines, exit_if_interrupted, importing, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..sweeps.record import Record

SHOWN = 20
"""The terminal shows at most this many runs."""

_Best = Annotated[
    str | None,
    typer.Option("--best", metavar="COLUMN", help="The column of the ledger by which runs are judged."),
]


@app.command("sweep")
def sweep_command(
    file: Annotated[Path, typer.Argument(help="A TOML file: a configuration with a table [sweep].", metavar="FILE")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of all runs. Can be repeated."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "--output", "-o", metavar="DIR", help="Output directory; by default runs/FILE."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", metavar="N", help="Runs at a time; by default one for each CPU.")
    ] = None,
    backend: Annotated[
        str, typer.Option("--backend", help="loky (processes), threading, dask, ray, or another of joblib.")
    ] = "loky",
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Of a Dask scheduler or a Ray cluster.")
    ] = None,
    best: _Best = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the path of the report.")] = False,
) -> None:
    """Do many runs over a grid of settings; write a table and a page. Called again, it goes on."""
    with errors_as_lines():
        with importing():
            from ..process.workers import processors
            from ..sweeps import Work, load_plan, run_sweep
            from ..sweeps.record import judged_by

        plan = load_plan(file, overrides or [])
        work = Work(processors() if jobs is None else jobs, not quiet, backend=backend, scheduler=scheduler)
        result = run_sweep(plan, out or Path("runs") / plan.name, work, best)
    if not quiet:
        _show(result.records, judged_by(result.records, best))
        if result.skipped:
            typer.echo(f"{result.skipped} of {len(result.records)} runs were done before")
    typer.echo(f"report: {short(result.report)}")
    exit_if_interrupted("sweep")
    bad = [record for record in result.records if not record.ok]
    if bad:
        told = f"{bad[0].name} ({bad[0].status.lower()}): {bad[0].message}"
        typer.echo(f"error: {len(bad)} of {len(result.records)} runs did not end well. The first is {told}", err=True)
        raise typer.Exit(FAILED)


@app.command("compare")
def compare_command(
    directories: Annotated[list[Path], typer.Argument(help="Directories of runs or sweeps.", metavar="DIR...")],
    out: Annotated[
        Path, typer.Option("--out", "--output", "-o", metavar="DIR", help="Where the table and the page are written.")
    ] = Path("runs/compared"),
    best: _Best = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the path of the page.")] = False,
) -> None:
    """Compare runs: what differs in their settings, end values, curves of F, closure and accuracy."""
    with errors_as_lines():
        with importing():
            from ..sweeps import compare
            from ..sweeps.record import judged_by

        result = compare(directories, out, best)
    if not quiet:
        _show(result.records, judged_by(result.records, best))
    typer.echo(f"report: {short((out / 'report.html').absolute())}")
    if signals.arrived():
        exit_if_interrupted("comparison")


def _show(records: Sequence[Record], column: str) -> None:
    """The best runs on the terminal, with their settings."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..sweeps.page import summary_rows

    header, rows = summary_rows(records, column, SHOWN)
    table = Table(*header, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    console.print(table)
    if len(records) > len(rows):
        console.print(f"the best {len(rows)} of {len(records)} runs by {column}")
