"""The command `wgf study`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import app, errors_as_lines, exit_if_interrupted, importing, short, table_of

if TYPE_CHECKING:
    from ..studies import Outcome


@app.command("study")
def study_command(
    name: Annotated[str | None, typer.Argument(help="Name of the study; without it the studies are listed.")] = None,
    listed: Annotated[bool, typer.Option("--list", "-l", help="List the studies with their questions.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: a test that everything works.")] = False,
    seeds: Annotated[int | None, typer.Option("--seeds", metavar="N", help="Number of seeds (replicas).")] = None,
    first_seed: Annotated[int, typer.Option("--first-seed", metavar="N", help="First seed: changes the noise.")] = 0,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", metavar="N", help="Processes; by default one per CPU.")
    ] = None,
    backend: Annotated[str, typer.Option("--backend", help="As for `wgf sweep`.")] = "loky",
    scheduler: Annotated[str | None, typer.Option("--scheduler", metavar="ADDRESS", help="As for `wgf sweep`.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "--output", "-o", metavar="DIR", help="Output directory, new or empty.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the path of the report.")] = False,
) -> None:
    """Answer a scientific question by runs over many seeds; write tables, figures and a one-page report."""
    from rich.console import Console

    with errors_as_lines():
        with importing():
            from .. import studies

        if name is None or listed:
            Console().print(table_of([(key, kind.question) for key, kind in studies.NAMES.items()]))
            return
        result = studies.run(
            name,
            quick=quick,
            seeds=seeds,
            first_seed=first_seed,
            jobs=jobs,
            out=out,
            progress=not quiet,
            backend=backend,
            scheduler=scheduler,
        )
    if not quiet:
        _print(result.outcome)
    typer.echo(f"report: {short(result.report)}")
    exit_if_interrupted("study")


def _print(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("question", "measured", "expected", "", box=None, padding=(0, 2, 0, 0))
    for finding in outcome.findings:
        expected = "" if finding.expected is None else f"{finding.expected:.6g}"
        table.add_row(Text(finding.asked), Text(str(finding.measured)), Text(expected), Text(finding.verdict.value))
    Console().print(table)
