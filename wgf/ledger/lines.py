"""The records of a run as lines of a file: one JSON object each, appended while the run goes on."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import CheckpointError
from .table import Ledger


class Lines:
    """A file of records. Each is one line of JSON; NaN is null, and infinity is 1e999, which JSON readers understand.

    A record that cannot be written whole, as on a full disk, leaves nothing of it behind.

    Parameters
    ----------
    path : str or Path
        The file. Where it exists, records are appended.
    keep : int, optional
        How many of its records count. Later ones are removed, and half of one that a killed process left. By default
        the file is made anew.
    digest : str, optional
        The SHA-256 that those records must have: what `digest` gave when they were written.

    Raises
    ------
    CheckpointError
        If the file cannot be written, is damaged, or has fewer records.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lines = Lines(folder + "/metrics.jsonl")
    ...     for k in range(3):
    ...         lines.append({"t": 0.1 * k, "closure": math.nan})
    ...     lines.close()
    ...     again = Lines(folder + "/metrics.jsonl", keep=2)
    ...     again.close()
    ...     again.ledger.rows, Path(folder + "/metrics.jsonl").read_text().splitlines()
    (2, ['{"t": 0.0, "closure": null}', '{"t": 0.1, "closure": null}'])
    """

    def __init__(self, path: str | os.PathLike[str], keep: int | None = None, digest: str | None = None) -> None:
        self.path, self.ledger, self._sum = Path(path), Ledger(), hashlib.sha256()
        try:
            self._file = open(self.path, "wb" if keep is None else "r+b", buffering=0)  # noqa: SIM115
            if keep is not None:
                self._read(keep, digest)
        except OSError as error:
            raise self._failed("read" if keep else "write", error) from error

    def _read(self, keep: int, digest: str | None) -> None:
        """Read the records that count, and cut the file after them."""
        content = self._file.read()
        self.ledger, length = read(content, keep, digest, self.path)
        self._sum.update(content[:length])
        self._file.truncate(length)
        self._file.seek(0, os.SEEK_END)

    def append(self, row: Mapping[str, float]) -> None:
        """Add a record.

        Parameters
        ----------
        row : mapping of str to float
            Its columns.

        Raises
        ------
        CheckpointError
            If it cannot be written.
        """
        content, begun, done = line_of(row), self._file.tell(), 0
        try:
            while done < len(content):
                done += self._file.write(content[done:])
        except BaseException as error:
            self._file.truncate(begun)
            self._file.seek(begun)
            if isinstance(error, OSError):
                raise self._failed("write", error) from error
            raise
        self._sum.update(content)

    def digest(self) -> str:
        """Give the SHA-256 of all records so far, as 64 hexadecimal digits."""
        return self._sum.hexdigest()

    def sync(self) -> None:
        """Bring all records to the disk. CheckpointError if that fails."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed("write", error) from error

    def require(self) -> None:
        """Make sure that the file is still there: on POSIX a file that was deleted can be written for ever."""
        try:
            there = os.path.samestat(os.fstat(self._file.fileno()), os.stat(self.path))
        except OSError as error:
            raise self._failed("write", error) from error
        if not there:
            raise CheckpointError(f"{self.path} is gone; another file is in its place.")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _failed(self, what: str, error: OSError) -> CheckpointError:
        if isinstance(error, CheckpointError):
            return error
        return CheckpointError(f"cannot {what} {self.path}: {error.strerror or error}.")


def read(content: bytes, keep: int, digest: str | None, path: Path) -> tuple[Ledger, int]:
    """The first records of a file, checked, and how many bytes they take."""
    lines, ledger = content.split(b"\n")[:-1], Ledger()  # without what comes after the last end of a line
    if len(lines) < keep:
        raise CheckpointError(f"{path} has {len(lines)} records; {keep} were made. Records were lost.")
    for number, line in enumerate(lines[:keep], 1):
        try:
            ledger.append(record(line))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"cannot read {path}, line {number}: {error}.") from error
    length = sum(len(line) + 1 for line in lines[:keep])
    if digest is not None and digest != hashlib.sha256(content[:length]).hexdigest():
        raise CheckpointError(f"{path} is damaged: its records are not those that were written.")
    return ledger, length


def read_records(path: str | os.PathLike[str], keep: int, digest: str | None = None) -> Ledger:
    """Read the first records of a file of `Lines`, which another process may go on writing.

    Parameters
    ----------
    path : str or Path
        The file.
    keep : int
        How many of its records count.
    digest : str, optional
        The SHA-256 that they must have.

    Returns
    -------
    Ledger
        The records.

    Raises
    ------
    CheckpointError
        If the file cannot be read, is damaged, or has fewer records.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}.") from error
    return read(content, keep, digest, Path(path))[0]


def line_of(row: Mapping[str, float]) -> bytes:
    """A record as a line of JSON. Every bit of its numbers comes back.

    >>> line_of({"t": 0.1, "ratio": -math.inf})
    b'{"t": 0.1, "ratio": -1e999}\\n'
    """
    parts = (f"{json.dumps(name)}: {_number(value)}" for name, value in row.items())
    return ("{" + ", ".join(parts) + "}\n").encode()


def _number(value: float) -> str:
    if math.isnan(value):
        return "null"
    if math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    return json.dumps(value)


def record(line: bytes) -> dict[str, float]:
    """A record from its line; ValueError, TypeError or AttributeError where it is none."""
    row = {name: math.nan if value is None else value for name, value in json.loads(line.decode()).items()}
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in row.values()):
        raise ValueError("not all of its values are numbers")
    try:
        return {name: float(value) for name, value in row.items()}
    except OverflowError as error:
        raise ValueError("a number is beyond the range of float64") from error
