"""Measurements: `wgf bench kernels`, `solvers` and `noise`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app, errors_as_lines, short

bench = typer.Typer(
    help="Speed beside peers, work and precision of solvers, and the quality of the noise.", no_args_is_help=True
)
app.add_typer(bench, name="bench")
_Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="DIR", help="Where the results go: benchmarks/results in a clone, else wgf-bench."
    ),
]
_Quick = Annotated[bool, typer.Option("--quick", help="Small sizes, to see that it works.")]


@bench.command("kernels")
def bench_kernels(
    quick: _Quick = False,
    only: Annotated[str | None, typer.Option("--only", metavar="FAMILY", help="One family of work.")] = None,
    out: _Out = None,
    device: Annotated[str, typer.Option("--device", help='"cpu" or "cuda".')] = "cpu",
) -> None:
    """Every operation beside its peers, interleaved, with error, memory and the floor of this machine."""
    with errors_as_lines():
        from ..benchmarks.frame.facts import default_folder
        from ..benchmarks.kernels import run as kernels

        path = kernels.run(out or default_folder(), quick=quick, only=only, device=device)
    typer.echo(f"results: {short(path.absolute())}")


@bench.command("solvers")
def bench_solvers(
    quick: _Quick = False,
    only: Annotated[str | None, typer.Option("--only", metavar="PROBLEM", help='One problem, or "peers".')] = None,
    out: _Out = None,
) -> None:
    """Every solver on every problem that it fits, over its steps: errors, times, figures; and whole runs of peers."""
    with errors_as_lines():
        from ..benchmarks.frame.facts import default_folder
        from ..benchmarks.solvers import run as solvers

        path = solvers.run(out or default_folder(), quick=quick, only=only)
    typer.echo(f"results: {short(path.absolute())}")


@bench.command("noise")
def bench_noise(quick: _Quick = False, out: _Out = None) -> None:
    """Moments, distribution, tails and correlations of 10⁹ random numbers."""
    with errors_as_lines():
        from ..benchmarks import noise
        from ..benchmarks.frame.facts import default_folder

        path = noise.run(out or default_folder(), quick=quick)
    typer.echo(f"results: {short(path.absolute())}")
