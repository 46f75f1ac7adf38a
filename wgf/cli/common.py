"""What all commands share: the application object, exit codes, error messages, and the look of tables and paths."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ..process import signals
from ..process.launcher import speaks
from ..process.signals import Mode

app = typer.Typer(
    help="Wasserstein gradient flows of particle ensembles, with the thermodynamics of the run.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

CONFIGURATION, FAILED = 2, 1
"""Exit codes: 2 for bad input, 1 for a run that failed; 130, 143 or 129 after SIGINT, SIGTERM or SIGHUP."""


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """Turn errors of this package into one line on stderr and an exit code. A bug still shows its traceback."""
    from ..errors import BackendError, CommunicationError, ConfigError, ResourceError, ShapeError, WgfError

    kept: list[str] = []
    try:
        with signals.during(Mode.RAISE):
            yield
            interrupted = False
    except WgfError as error:
        if signals.arrived() and isinstance(error, BackendError):  # the import of a library was interrupted
            raise typer.Exit(signals.code()) from None
        if speaks() or isinstance(error, CommunicationError):  # of several, all that no longer hear the others
            typer.echo("\n".join([f"error: {error}", *getattr(error, "__notes__", ())]), err=True)
        bad_input = isinstance(error, (BackendError, ConfigError, ResourceError, ShapeError))
        raise typer.Exit(CONFIGURATION if bad_input else FAILED) from None
    except MemoryError as error:
        typer.echo(f"error: out of memory: {str(error) or 'take a smaller problem'}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt as error:
        interrupted, kept = True, getattr(error, "__notes__", [])
    except Exception:  # a callback or an import may have turned a signal into another error
        if not signals.arrived():
            raise
        interrupted = True
    if interrupted:
        typer.echo(f"interrupted; {kept[-1] if kept else 'nothing was saved'}", err=True)
        raise typer.Exit(signals.code())


def exit_if_interrupted(work: str) -> None:
    """At the end of a command: the exit code of a signal that came when the work was over, while it was written."""
    if signals.arrived():
        typer.echo(f"interrupted when the {work} was over; its results are saved", err=True)
        raise typer.Exit(signals.code())


def importing() -> AbstractContextManager[bool]:
    """Around slow imports of a command: a signal ends the process at once."""
    return signals.during(Mode.LEAVE)


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"wgf {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Wasserstein gradient flows of particle ensembles, with the thermodynamics of the run."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def short(path: Path) -> Path:
    """A path relative to the current directory, where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def table_of(rows: list[tuple[str, str]]) -> Any:
    """Rows (name, value) as a table for a rich console."""
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in rows:
        table.add_row(Text(name, style="bold"), Text(value))
    return table
