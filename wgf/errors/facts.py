"""Short accounts of objects: one line in a terminal, a small table in a notebook; and hints for names they lack."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from .words import no_attribute, printable, with_minus


def html_table(head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """Write a table for a notebook. Its colours are those of the notebook.

    Parameters
    ----------
    head : sequence of str
        The names of the columns; empty for none.
    rows : iterable of sequences
        The cells. The first column and text are aligned at the left, numbers at the right.
    caption : str
        A line above the table.

    Returns
    -------
    str
        The HTML.

    Examples
    --------
    >>> html_table(["name", "value"], [["a < b", 0.5]]).count("<td")
    2
    """

    def cell(kind: str, value: Any, right: bool) -> str:
        text = with_minus(f"{value:.6g}") if isinstance(value, float) else printable(str(value))
        return f'<{kind} style="text-align: {"right" if right else "left"}">{html.escape(text)}</{kind}>'

    body = [[*row] for row in rows]
    right = [
        k > 0 and bool(body) and all(isinstance(row[k], (int, float)) or row[k] in ("", "…") for row in body)
        for k in range(max(map(len, [head, *body]), default=0))
    ]
    top = "".join(cell("th", name, right[k]) for k, name in enumerate(head))
    lines = ["".join(cell("td", value, right[k]) for k, value in enumerate(row)) for row in body]
    told = f"<p><strong>{html.escape(caption)}</strong></p>" if caption else ""
    return f"{told}<table>{f'<tr>{top}</tr>' if top else ''}{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


class Facts:
    """An object that tells its main facts in place of its arrays."""

    __slots__ = ()

    def _facts(self) -> Mapping[str, Any]:
        """What is told, by name: short text or numbers."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return html_table((), self._facts().items(), type(self).__name__)

    def __repr__(self) -> str:
        facts = self._facts().items()
        told = (f"{name}={f'{value:.6g}' if isinstance(value, float) else value}" for name, value in facts)
        return f"{type(self).__name__}({', '.join(told)})"

    def __getattr__(self, name: str) -> NoReturn:
        """AttributeError that suggests the nearest name."""
        raise no_attribute(self, name, {})
