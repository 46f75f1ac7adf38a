"""Tensors in the format of safetensors, with a format of ours and a checksum in its metadata."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError
from .checksum import ZEROS, filled, require_filled, require_format, warn_of_old

if TYPE_CHECKING:
    from torch import Tensor

_TAG = re.compile(r"(\S+) sha256:([0-9a-f]{64})(?: (.*))?", re.DOTALL)


def tensor_bytes(tensors: Mapping[str, Tensor], form: str, head: str = "") -> bytes:
    """The content of a file with these tensors.

    Parameters
    ----------
    tensors : mapping
        Tensors by name; copied to the CPU.
    form : str
        The name of the format with its version, such as "wgf-ensemble-2".
    head : str, default ""
        Text that stands in the metadata behind the checksum, which covers it.

    Returns
    -------
    bytes
        The same for the same tensors. `read_tensors` reads them, and so does the package safetensors.
    """
    from safetensors.torch import save

    # one entry: the order of several would differ from run to run
    tag = {"format": _tag(form, ZEROS) + (f" {head}" if head else "")}
    content = save({name: value.contiguous().cpu() for name, value in tensors.items()}, tag)
    return filled(content, _tag(form, "").encode())


def read_tensors(
    path: str | os.PathLike[str], form: str, old: str | None = None, warn: bool = True
) -> dict[str, Tensor]:
    """Read a file of `tensor_bytes` and check it.

    Parameters
    ----------
    path : str or path
        The file.
    form : str
        The wanted format.
    old : str, optional
        The format of such files in version 0.1.0, which had no checksum; None where they named no format.
    warn : bool
        Whether a file without checksum gives a `WgfWarning`.

    Returns
    -------
    dict
        Tensors by name, in memory of their own: what happens to the file later does not change them.

    Raises
    ------
    CheckpointError
        Where the file cannot be read, or its checksum or its format is not as it should be.
    """
    return read_with_head(path, form, old, warn)[0]


def read_with_head(
    path: str | os.PathLike[str], form: str, old: str | None = None, warn: bool = True
) -> tuple[dict[str, Tensor], str]:
    """Read a file of `tensor_bytes` as `read_tensors` does, and the text of its head."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        raw = Path(path).read_bytes()
        tag = _stated(raw)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error
    sealed = _TAG.fullmatch(tag or "")
    if sealed:
        require_filled(raw, _tag(sealed[1], "").encode(), sealed[2], path)
        require_format(sealed[1], form, path)
    elif tag != old:
        require_format(tag, form, path)
        raise CheckpointError(f"{path} is damaged or was changed: its checksum is missing.")
    try:
        tensors: dict[str, Tensor] = load(raw)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error
    if not sealed and warn:
        warn_of_old(path)
    return tensors, (sealed[3] or "") if sealed else ""


def _tag(form: str, checksum: str) -> str:
    return f"{form} sha256:{checksum}"


def _stated(raw: bytes) -> str | None:
    """The entry "format" of the metadata, None where there are no metadata; ValueError for a damaged header."""
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or length > len(raw) - 8:
        raise ValueError(f"{len(raw)} bytes are no safetensors file, or a cut one")
    header = json.loads(raw[8 : 8 + length].decode("utf-8"))
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    metadata = header.get("__metadata__")
    if metadata is None:
        return None
    tag = metadata.get("format") if isinstance(metadata, dict) else None
    return tag if isinstance(tag, str) else "unknown"
