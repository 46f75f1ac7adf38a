"""The checksum of a file: the SHA-256 of its bytes, with 64 zeros where the checksum itself stands."""

from __future__ import annotations

import hashlib
import os
import warnings

from ..errors import CheckpointError, WgfWarning, shown

ZEROS = "0" * 64


def digest(content: bytes) -> str:
    """The SHA-256 of bytes, as 64 hexadecimal digits.

    >>> digest(b"")[:16]
    'e3b0c44298fc1c14'
    """
    return hashlib.sha256(content).hexdigest()


def require_digest(content: bytes, stated: object, source: str | os.PathLike[str]) -> None:
    """Raise a CheckpointError where the SHA-256 of the bytes is not the one that was stated when they were written."""
    found = digest(content)
    if found != stated:
        raise CheckpointError(
            f"{source} is damaged or was changed: its SHA-256 is {found[:12]}…, and {shown(stated, 16)} was stored. "
            "Restore the file."
        )


def filled(content: bytes, before: bytes) -> bytes:
    """Put the checksum in the place of the 64 zeros that follow `before`."""
    return content.replace(before + ZEROS.encode(), before + digest(content).encode(), 1)


def require_filled(content: bytes, before: bytes, stated: str, source: str | os.PathLike[str]) -> None:
    """Check a content of `filled` against the checksum that it states."""
    require_digest(content.replace(before + stated.encode(), before + ZEROS.encode(), 1), stated, source)


def warn_of_old(source: str | os.PathLike[str]) -> None:
    """Say that a file has no checksum, as those of version 0.1.0."""
    warnings.warn(
        f"{source} has no checksum, as files of wgf 0.1.0: damage to it cannot be seen. Save it again to add one.",
        WgfWarning,
        stacklevel=4,
    )


def require_format(found: object, wanted: str, source: str | os.PathLike[str]) -> None:
    """Raise a CheckpointError where a file has another format."""
    if found != wanted:
        raise CheckpointError(
            f"{source} has the format {shown(found, 60)}; wanted {wanted}. It is another kind of file, or of another "
            "version of wgf."
        )
