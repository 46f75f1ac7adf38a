"""The list of terms in a free energy: their names, and the table that a notebook shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

from ..errors import html_table, no_attribute


class Listed:
    """The part of `FreeEnergy` that shows its terms, and helps where an attribute is not there."""

    terms: tuple[Any, ...]

    def _repr_html_(self) -> str:
        rows = []
        for term in self.terms:
            kind = "entropy" if term.functional.is_entropy else "energy"
            rows.append((term.name, str(term.coefficient), kind, repr(term.functional)))
        return html_table(("term", "coefficient", "kind", "functional"), rows, f"F = {self!r}")

    def __getattr__(self, name: str) -> NoReturn:
        """AttributeError that suggests the nearest name, or says that a term is read as `F["name"]`."""
        terms = () if name.startswith("_") else self.__dict__.get("terms", ())  # of copies that are not yet filled
        raise no_attribute(self, name, {term.name: f'F["{term.name}"]' for term in terms})


def distinct(terms: tuple[Any, ...]) -> tuple[Any, ...]:
    """Number repeated names, so that every name occurs once: Quadratic, Quadratic_2, ..."""
    seen: set[str] = set()
    named = []
    for term in terms:
        name, count = term.name, 1
        while name in seen:
            count += 1
            name = f"{term.name}_{count}"
        seen.add(name)
        named.append(replace(term, name=name))
    return tuple(named)
