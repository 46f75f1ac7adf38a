"""The commands `wgf bench kernels`, `flows`, `solvers`, `estimators` and `noise`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import app, errors_as_lines, importing, short

bench = typer.Typer(
    help="Benchmarks: speed of kernels and of whole runs, error against time of solvers, quality of the noise.",
    no_args_is_help=True,
)
app.add_typer(bench, name="bench")
_Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="DIR", help="Output directory: by default benchmarks/results in a clone, else wgf-bench."
    ),
]
_Only = Annotated[
    str | None, typer.Option("--only", metavar="WORDS", help="Run one family, or the rows whose name has these words.")
]
_Merge = Annotated[
    bool, typer.Option("--merge", help="With --only: put the rows into the stored results of everything.")
]
_Quick = Annotated[bool, typer.Option("--quick", help="Small sizes: a test that everything works.")]


@bench.command("kernels")
def bench_kernels(
    quick: _Quick = False,
    only: _Only = None,
    merge: _Merge = False,
    out: _Out = None,
    device: Annotated[str, typer.Option("--device", help='"cpu" or "cuda".')] = "cpu",
) -> None:
    """Time every kernel and its peers (numpy, torch, KeOps, JAX, ...), with errors and memory."""
    with errors_as_lines():
        with importing():
            from ..benchmarks.frame.facts import default_folder
            from ..benchmarks.kernels import run as kernels

        path = kernels.run(out or default_folder(), quick=quick, only=only, merge=merge, device=device)
    typer.echo(f"results: {short(path.absolute())}")


@bench.command("flows")
def bench_flows(
    quick: _Quick = False,
    only: _Only = None,
    merge: _Merge = False,
    out: _Out = None,
) -> None:
    """Time whole runs and those of peers (JAX, torch, diffrax, torchsde, BlackJAX, ...), with errors."""
    with errors_as_lines():
        with importing():
            from ..benchmarks.flows import run as flows
            from ..benchmarks.frame.facts import default_folder

        path = flows.run(out or default_folder(), quick=quick, only=only, merge=merge)
    typer.echo(f"results: {short(path.absolute())}")


@bench.command("solvers")
def bench_solvers(
    quick: _Quick = False,
    only: Annotated[str | None, typer.Option("--only", metavar="PROBLEM", help="Run one problem.")] = None,
    out: _Out = None,
) -> None:
    """Run every solver on problems with known answers: error against time."""
    with errors_as_lines():
        with importing():
            from ..benchmarks.frame.facts import default_folder
            from ..benchmarks.solvers import run as solvers

        path = solvers.run(out or default_folder(), quick=quick, only=only)
    typer.echo(f"results: {short(path.absolute())}")


@bench.command("estimators")
def bench_estimators(quick: _Quick = False, out: _Out = None) -> None:
    """Cross-validate the estimators and scikit-learn's network of the same width: scores and times."""
    with errors_as_lines():
        with importing():
            from ..benchmarks.estimators import run as estimators
            from ..benchmarks.frame.facts import default_folder

        path = estimators.run(out or default_folder(), quick=quick)
    typer.echo(f"results: {short(path.absolute())}")


@bench.command("noise")
def bench_noise(quick: _Quick = False, out: _Out = None) -> None:
    """Test 10⁹ random numbers: moments, distribution, tails and correlations."""
    with errors_as_lines():
        with importing():
            from ..benchmarks import noise
            from ..benchmarks.frame.facts import default_folder

        path = noise.run(out or default_folder(), quick=quick)
    typer.echo(f"results: {short(path.absolute())}")
