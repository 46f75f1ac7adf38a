"""Tables as JSON text with their format and a checksum."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ..errors import CheckpointError
from .checksum import ZEROS, filled, require_filled, require_format, warn_of_old

_BEFORE = b'"sha256": "'


def seal(content: Mapping[str, Any], form: str, indent: int = 2) -> str:
    """Write a table as JSON text with the entries "sha256" and "format" before its own.

    Parameters
    ----------
    content : mapping
        What JSON can hold, without NaN and infinity.
    form : str
        The name of the format with its version, such as "wgf-summary-2".
    indent : int
        Spaces per level.

    Returns
    -------
    str
        The text; `unseal` reads it.

    Examples
    --------
    >>> unseal(seal({"t": 1.0}, "wgf-example-2").encode(), "example.json", "wgf-example-2")
    {'t': 1.0}
    """
    table = {"sha256": ZEROS, "format": form, **content}
    text = json.dumps(table, indent=indent, allow_nan=False, ensure_ascii=False) + "\n"
    return filled(text.encode("utf-8", "backslashreplace"), _BEFORE).decode("utf-8")


def unseal(
    raw: bytes, source: str | os.PathLike[str], form: str, old: str | None = None, warn: bool = True
) -> dict[str, Any]:
    """Read a table that `seal` has written, and check it.

    Parameters
    ----------
    raw : bytes
        The content of the file.
    source : str or Path
        What to call the file in messages.
    form : str
        The wanted format.
    old : str, optional
        The format of such files in version 0.1.0, which had no checksum; None where they named no format.
    warn : bool
        Whether a file without checksum gives a `WgfWarning`.

    Returns
    -------
    dict
        The content, without the checksum and the format.

    Raises
    ------
    CheckpointError
        Where the text is no table, or its checksum or its format is not as it should be.
    """
    try:
        table = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"cannot read {source}: it is cut or damaged ({error}).") from error
    if not isinstance(table, dict):
        raise CheckpointError(f"{source} holds no table.")
    stated, found = table.pop("sha256", None), table.pop("format", None)
    if stated is None and found == old:
        if warn:
            warn_of_old(source)
        return table
    if stated is None:
        require_format(found, form, source)
        raise CheckpointError(f"{source} is damaged or was changed: its checksum is missing.")
    require_filled(raw, _BEFORE, str(stated), source)
    require_format(found, form, source)
    return table
