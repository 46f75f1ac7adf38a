"""The commands `wgf run`, `wgf resume`, `wgf new`, `wgf report`, `wgf tune` and `wgf info`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..process import signals
from .common import FAILED, app, errors_as_lines, exit_if_interrupted, importing, short, table_of

if TYPE_CHECKING:
    from ..runs import RunResult


@app.command("run")
def run_command(
    config: Annotated[Path | None, typer.Argument(help="A TOML file; by default the built-in example.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as solver.dt=0.05. Can be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "--output", "-o", metavar="DIR", help="Output directory, new or empty.")
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option("--costs", metavar="FILE", help="A file of `wgf tune`: the method of sums is chosen by it."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", metavar="N", help="Run it under N seeds, the first that of the file, and compare."),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", help="Under torchrun: how long to wait for the other processes."),
    ] = 300.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the path of the report.")] = False,
) -> None:
    """Follow the gradient flow of a free energy, of a network or of particles, and write a report."""
    import warnings

    with errors_as_lines():
        with importing():
            from ..errors import WgfWarning
            from ..runs import load_config, run_seeds
            from ..runs.launch import run

        table = [] if costs is None else [f"costs={json.dumps(str(costs.absolute()))}"]
        settings = load_config(config, [*(overrides or []), *table])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WgfWarning)  # the result has them; they are printed below
            warnings.simplefilter("ignore", RuntimeWarning)  # overflow: the status says where the run diverged
            if seeds is None:
                result = run(settings, out, progress=not quiet, timeout=timeout)
                results = [] if result is None else [result]
            else:
                results = []
                for result in run_seeds(settings, seeds, out, progress=not quiet):
                    results.append(result)
                    if signals.arrived() or not result.summary["ok"]:
                        break
    if seeds is not None and not quiet:
        _say_the_spread([result.summary for result in results])
    for result in results:
        _say_how_it_went(result, quiet or seeds is not None)


@app.command("resume")
def resume_command(
    directory: Annotated[Path, typer.Argument(help="A run directory.", metavar="DIR")],
    until: Annotated[float | None, typer.Option("--until", metavar="T", help="Another end, in flow time.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the path of the report.")] = False,
) -> None:
    """Go on with a run that was killed or interrupted, or take one further that has ended."""
    import warnings

    with errors_as_lines():
        with importing():
            from ..errors import WgfWarning
            from ..runs import resume

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WgfWarning)  # the result has them; they are printed below
            warnings.simplefilter("ignore", RuntimeWarning)
            result = resume(directory, until, progress=not quiet)
    _say_how_it_went(result, quiet)


@app.command("new")
def new_command(path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("wgf.toml")) -> None:
    """Write a commented starter file, ready for `wgf run`."""
    with errors_as_lines():
        with importing():
            from ..errors import ConfigError
            from ..runs import DEFAULT

        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(DEFAULT.read_text(encoding="utf-8"))
        except FileExistsError:
            raise ConfigError(f"{path} exists already and is not overwritten; give another name.") from None
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from None
    typer.echo(f"Wrote {path}. Change what you like, then: wgf run {path}")


@app.command("report")
def report_command(directory: Annotated[Path, typer.Argument(help="A run directory.", metavar="DIR")]) -> None:
    """Write the report of a run again, from its stored files."""
    with errors_as_lines():
        with importing():
            from ..runs import write_report

        path = write_report(directory)
    typer.echo(f"report: {path}")


@app.command("tune")
def tune_command(
    path: Annotated[Path, typer.Argument(help="The file to write.", metavar="FILE")] = Path("costs.json"),
) -> None:
    """Measure how long each method for sums over pairs takes on this machine.

    Takes one or two minutes. Run it while the machine is idle.
    """
    with errors_as_lines():
        with importing():
            from ..errors import ConfigError
            from ..runs.store import versions
            from ..summation.tune import tune

        text = tune(versions(), say=lambda step: typer.echo(step, err=True)).as_json()
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from None
    typer.echo(f"Wrote {path}. To use it: wgf run --costs {path}")


@app.command("info")
def info_command() -> None:
    """Show the versions, the device and the threads that a run uses on this machine."""
    import numpy  # noqa: F401 - loads its BLAS, so that it is listed
    import scipy.linalg  # noqa: F401
    import torch
    from rich.console import Console
    from threadpoolctl import threadpool_info

    from ..runs.store import versions

    rows: dict[str, Any] = versions()
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none that torch can use"
    rows["device"], rows["CUDA"] = "cpu (default)", cuda
    rows["logical CPUs"] = os.cpu_count()
    for library in threadpool_info():
        if library["user_api"] == "blas":
            core = f", kernels for {library['architecture']}" if library.get("architecture") else ""
            rows[f"BLAS in {_owner(library['filepath'])}"] = f"{library['internal_api']} {library['version']}{core}"
    rows["BLAS in torch"] = "MKL" if torch.backends.mkl.is_available() else "as built"
    console = Console()
    console.print(table_of([(name, str(value)) for name, value in rows.items()]))
    forced = os.environ.get("OPENBLAS_CORETYPE")
    if forced:
        slow = " On a CPU with AVX-512 that halves the speed of matrix products." if forced == "Haswell" else ""
        console.print(
            f"OPENBLAS_CORETYPE={forced} is set and fixes the BLAS kernels.{slow} Unset it to let BLAS choose."
        )


def _owner(path: str) -> str:
    """The package that a library belongs to: numpy for .../numpy.libs/libopenblas.so."""
    owners = [part.removesuffix(".libs") for part in Path(path).parts if part.endswith(".libs")]
    return owners[0] if owners else Path(path).name


def _say_how_it_went(result: RunResult, quiet: bool) -> None:
    from rich.console import Console

    summary = result.summary
    if not quiet:
        Console().print(table_of(_thermodynamics(summary)))
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    report = result.directory / "report.html"
    typer.echo(f"report: {short(report)}" if report.exists() else f"results: {short(result.directory)}")
    if summary["status"] == "INTERRUPTED":
        on = f"`wgf resume {short(result.directory)}` goes on"
        typer.echo(f"interrupted at t = {summary['t']:g}; what was computed is saved; {on}", err=True)
        raise typer.Exit(signals.code())
    if not summary["ok"]:
        typer.echo(f"error: the run failed after t = {summary['t']:g}: {summary['message']}", err=True)
        raise typer.Exit(FAILED)
    exit_if_interrupted("run")


def _say_the_spread(summaries: list[dict[str, Any]]) -> None:
    """The final numbers over seeds."""
    from rich.console import Console

    from ..runs.headlines import number
    from ..runs.seeds import spread

    rows = [("at the end", f"mean ± standard error of {len(summaries)} seeds")]
    for name, (mean, error, count) in spread(summaries).items():
        fewer = "" if count == len(summaries) else f"   ({count} seeds)"
        rows.append((name, f"{number(mean)} ± {number(error, 2)}{fewer}"))
    Console().print(table_of(rows))


def _thermodynamics(summary: dict[str, Any]) -> list[tuple[str, str]]:
    from ..runs.headlines import headlines, number

    start, final = summary["start"], summary["final"]
    rows = [(name, f"{value}   ({beside})") for name, value, beside in headlines(summary)]
    for at, name in ((1, "energy"), (2, "entropy")):
        text = f"{number(final[name])}   (from {number(start[name])} at the start)"
        rows.insert(at, (f"{name} {'E' if name == 'energy' else 'S'}", text if final[name] is not None else "–"))
    names = [name for name, _ in rows]
    rows.insert(names.index("force ratio I / G") + 1, ("information force", summary["force_report"]["verdict"]))
    return rows
