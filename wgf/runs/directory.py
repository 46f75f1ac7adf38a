"""The directory of a run or a study: chosen before the first step, complete or not there, and never lost.

It is written under another name, NAME.partial, which also reserves the name, and renamed at the end.
"""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError, CommunicationError, ConfigError
from ..process.signals import Mode, during


@dataclass
class Place:
    """A directory that is being written: its final `path`, and the `partial` one in which files are written until then.

    While `keep` is False an error removes it; afterwards `partial` is left where it is, and the error names it. With
    `goes_on` it is left too, but the error stays as it is: it holds what a later call goes on with.
    """

    path: Path
    partial: Path
    keep: bool = False
    goes_on: bool = False


def choose(directory: str | Path | None, name: str) -> Path:
    """Choose the directory for a run, without creating it.

    Parameters
    ----------
    directory : str or Path, optional
        A new or empty directory; by default runs/<name>-<date>-<time>.
    name : str
        The first part of the default name.

    Returns
    -------
    Path
        An absolute path.

    Raises
    ------
    ConfigError
        Where the directory is not empty, is a file, a link or a mount point, has a name that is not UTF-8, or is being
        written by another run.
    """
    if directory is None:
        taken = os.path.lexists
        return next(path for path in _candidates(name) if not (taken(path) or taken(partial_of(path))))
    shown = ascii(str(directory))[:120]
    try:
        str(directory).encode()
        path = Path(os.path.abspath(directory))
        os.fsencode(path)
    except ValueError:
        raise ConfigError(f"output directory {shown}: its name is not UTF-8; choose another with --out.") from None
    except OSError as error:
        raise ConfigError(f"output directory {shown}: {error.strerror}: the current directory is gone.") from None
    if "\0" in str(directory):
        raise ConfigError(f"output directory {shown}: its name has a NUL character; choose another with --out.")
    shown = str(path)[-150:]
    try:
        _require_free(path, shown)
    except OSError as error:  # a name that is too long, or parents that cannot be searched
        raise CheckpointError(f"cannot write to {shown}: {error.strerror or error}.") from None
    return path


def _require_free(path: Path, shown: str) -> None:
    if path.is_symlink():
        raise ConfigError(f"output directory {shown} is a link; give the directory that it leads to, or a new one.")
    if path.exists() and not path.is_dir():
        raise ConfigError(f"output directory {shown}: there is a file of that name; choose another with --out.")
    if path.is_dir() and any(path.iterdir()):
        raise ConfigError(f"output directory {shown} is not empty; choose another with --out, or empty it.")
    if os.path.ismount(path):
        raise ConfigError(f"output directory {shown} is a mount point; give a new directory in it.")
    if os.path.lexists(partial_of(path)):
        raise ConfigError(
            f"output directory {shown}: {partial_of(path).name[-80:]} is in the way, of a run that goes on, or was "
            "killed: `wgf resume` goes on with it."
        )


def _candidates(name: str) -> Iterator[Path]:
    """Names for a run that was given none: with a number, where others started in the same second."""
    name = name.encode(errors="replace").decode()
    base = Path("runs") / f"{name}-{datetime.datetime.now().strftime('%Y%m%d-%H%M%S')}"
    yield base.absolute()
    for k in range(2, 10_000):
        yield base.with_name(f"{base.name}-{k}").absolute()


def partial_of(path: Path) -> Path:
    """The directory in which the files of a run are until it has ended."""
    return path.with_name(path.name + ".partial")


@contextmanager
def writing(directory: str | Path | None, name: str, again: Path | None = None) -> Iterator[Place]:
    """Provide a place to write in, under a temporary name; it gets its own name at the end.

    Signals are held in the block, unless an inner one says otherwise.

    Parameters
    ----------
    directory : str or Path, optional
        As for `choose`.
    name : str
        As for `choose`.
    again : Path, optional
        The directory of a call that was killed, to go on with it in place of a new one.

    Yields
    ------
    Place
        Set its `keep` once there is something that an error must not remove.

    Raises
    ------
    ConfigError
        As `choose`.
    CheckpointError
        Where the directory cannot be made, or cannot be renamed at the end. It names the partial one if that was kept.
    """
    with during(Mode.HOLD):
        place, parents = (
            _made(directory, name) if again is None else (Place(again, partial_of(again), goes_on=True), [])
        )
        try:
            yield place
        except BaseException as error:
            _give_up(place, parents)
            if place.keep:
                if isinstance(error, CommunicationError):  # the run did not fail: the others are out of reach
                    raise CommunicationError(f"{error} It is kept in {place.partial}.") from error
                kept = f"{place.path.name} could not be written; what there is of it is kept in {place.partial}"
                if isinstance(error, Exception):
                    raise CheckpointError(f"{_reason(error)}: {kept}.") from error
                error.add_note(kept)
            if isinstance(error, OSError) and not isinstance(error, CheckpointError):
                raise CheckpointError(f"cannot write to {place.path}: {_reason(error)}.") from error
            raise
        try:
            with suppress(FileNotFoundError):  # an empty directory of that name
                place.path.rmdir()
            os.rename(place.partial, place.path)
        except OSError as error:
            raise CheckpointError(
                f"{place.path} appeared or changed during the run ({_reason(error)}); the results are complete, in "
                f"{place.partial}."
            ) from error


def _made(directory: str | Path | None, name: str) -> tuple[Place, list[Path]]:
    """Make the partial directory, which nobody else can have then, and tell which parents were made with it."""
    for attempt in range(10_000):
        path = choose(directory, name)
        partial = partial_of(path)
        parents = [parent for parent in path.parents if not parent.exists()]
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.mkdir()
        except (FileExistsError, FileNotFoundError) as error:
            if partial.parent.is_dir() or attempt < 3:  # another run took the name or removed its parent just now
                continue
            raise CheckpointError(f"cannot write to {path}: {error.strerror}.") from None
        except OSError as error:
            _remove(parents)
            raise CheckpointError(f"cannot write to {str(path)[-150:]}: {error.strerror or error}.") from error
        if directory is None and os.path.lexists(path):  # a run that ended between the choice and now
            partial.rmdir()
            continue
        return Place(path, partial), parents
    raise CheckpointError(f"cannot write to {path}: it is taken again and again.")


def _give_up(place: Place, parents: list[Path]) -> None:
    """After an error: remove what was made, unless it is to be kept."""
    if not (place.keep or place.goes_on):
        shutil.rmtree(place.partial, ignore_errors=True)
        _remove(parents)


def _remove(parents: list[Path]) -> None:
    """Remove directories, the innermost first, as far as they are empty."""
    for parent in parents:
        with suppress(FileNotFoundError):
            try:
                parent.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                break


def _reason(error: Exception) -> str:
    """An error in a few words; what is no failure of the disk keeps the name of its type."""
    cause = error.__cause__ if isinstance(error, CheckpointError) and isinstance(error.__cause__, OSError) else error
    strerror = getattr(cause, "strerror", None)
    return (strerror or str(cause) if isinstance(cause, OSError) else f"{type(cause).__name__}: {cause}")[:120]
