"""Writing a file completely or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from ..errors import CheckpointError


def write_whole(path: str | os.PathLike[str], content: bytes, what: str) -> None:
    """Write a file under another name, and give it its own when it is complete and on the disk.

    Parameters
    ----------
    path : str or Path
        The file; one of this name is replaced.
    content : bytes
        The content.
    what : str
        What it is, for the message.

    Raises
    ------
    CheckpointError
        Where it cannot be written. An older file is untouched then.
    """
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
        sync_folder(target.parent)
    except ValueError as error:  # a path with NUL
        raise CheckpointError(f"cannot write {what} to {target}: {error}") from error
    except BaseException as error:  # a KeyboardInterrupt leaves no half of a file either
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CheckpointError(f"cannot write {what} to {target}: {error.strerror or error}") from error
        raise


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Bring the names of the files in a folder to the disk, so that a renamed file keeps its name through a power cut.

    It does nothing where the system knows no such thing, as on Windows and on some network drives.

    Parameters
    ----------
    folder : str or Path
        The folder.

    Raises
    ------
    OSError
        If the disk fails.
    """
    if os.name != "posix":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(number)
