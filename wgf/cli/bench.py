"""The commands `wgf bench kernels`, `flows`, `solvers`, `mine`, `estimators` and `noise`."""

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


@bench.command("mine")
def bench_mine(
    config: Annotated[Path, typer.Argument(help="A TOML file, as of `wgf run`.", metavar="FILE")],
    solvers: Annotated[
        str | None, typer.Option("--solvers", metavar="NAMES", help="Schemes, separated by commas; by default all.")
    ] = None,
    reference: Annotated[
        str,
        typer.Option("--reference", help='"fine" for much finer steps, or a file of samples (.npy, .safetensors).'),
    ] = "fine",
    metric: Annotated[
        str | None, typer.Option("--metric", help='"places", "moments" or "wasserstein"; by default what fits.')
    ] = None,
    equilibrium: Annotated[
        bool, typer.Option("--equilibrium", help="The answer is the law at rest: other flows take part too.")
    ] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting. Can be repeated.")
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", help="How often everything is repeated.")] = 1,
    budget: Annotated[float, typer.Option("--budget", help="Seconds for the curve of a scheme in a round.")] = 2.0,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Output directory.")] = Path("wgf-bench"),
) -> None:
    """Run the solvers on your own problem, a configuration: error against time."""
    with errors_as_lines():
        with importing():
            from ..runs import load_config
            from ..runs.bench import bench_config

        settings = load_config(config, overrides or [])
        names = None if solvers is None else [name.strip() for name in solvers.split(",")]
        result = bench_config(
            settings, names, reference, metric=metric, equilibrium=equilibrium, rounds=rounds, budget=budget
        )
        path = result.save(out, settings.name)
    typer.echo(result.page())
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
