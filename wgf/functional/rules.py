"""What the rules of a term became at the start of a run, such as a bandwidth by Silverman, in a form for a file."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import CheckpointError
from ..extension import same_value
from ..storage import Tree, parts_of, remembered
from .functional import FreeEnergy, Functional, Resolved

SHOWN = 6
"""An array of at most so many numbers is described by them, a longer one by a checksum."""


@remembered
@dataclass(frozen=True)
class Rules:
    """What `prepare` made of a term: the settings that it changed. It stands for the term in a stored state.

    Attributes
    ----------
    given : tree
        The term as it was given, described by `description`.
    changed : dict of str to object
        The settings that were resolved, by name: numbers, tensors, ensembles or other objects that a tree can hold.

    Examples
    --------
    >>> import wgf
    >>> blob, mu = wgf.Blob("scott"), wgf.Ensemble([[-1.0], [1.0]])
    >>> rules = Rules.of(blob, blob.prepare(mu))
    >>> {name: round(value, 4) for name, value in rules.changed.items()}
    {'bandwidth': 0.8706}
    >>> rules.applied(wgf.Blob("scott")).bandwidth == blob.prepare(mu).bandwidth
    True
    """

    given: Tree
    changed: dict[str, Any]

    @staticmethod
    def of(given: Functional, resolved: Functional) -> Rules:
        """Tell which settings of a term were resolved.

        Parameters
        ----------
        given, resolved : Functional
            The term before and after `prepare`.

        Returns
        -------
        Rules
            What changed.

        Raises
        ------
        CheckpointError
            If `prepare` gave an object of another class.
        """
        if type(given) is not type(resolved):
            raise CheckpointError(
                f"{given.name}: prepare() gave a {type(resolved).__name__} for a {type(given).__name__}, so what it "
                "resolved cannot be stored; wanted the same class with other settings."
            )
        before, after = vars(given), vars(resolved)
        changed = {name: value for name, value in after.items() if not same_value(before.get(name), value)}
        return Rules(description(given), changed)

    def applied(self, term: Functional) -> Functional | None:
        """Give the term as it was resolved, or None where it is another one than at the start of the stored run."""
        if description(term) != self.given:
            return None
        resolved = copy.copy(term)
        vars(resolved).update(self.changed)
        return resolved


Kept = Mapping[str, tuple[Functional, Functional] | Rules]
"""Terms whose rules were resolved, by name: the term as given and as resolved, or what a file says of it."""


def recalled(kept: Kept, free_energy: FreeEnergy) -> Resolved:
    """Resolve the terms of F by the rules that were stored.

    Parameters
    ----------
    kept : mapping of str to (Functional, Functional) or Rules
        What a state remembers.
    free_energy : FreeEnergy
        F as it is given now.

    Returns
    -------
    mapping of str to (Functional, Functional)
        The terms as given and as resolved. A term that is not the stored one is left out, so it is resolved anew.
    """
    found: dict[str, tuple[Functional, Functional]] = {}
    now = {term.name: term.functional for term in free_energy.terms}
    for name, entry in kept.items():
        if not isinstance(entry, Rules):
            found[name] = entry
            continue
        resolved = entry.applied(now[name]) if name in now else None
        if resolved is not None:
            found[name] = (now[name], resolved)
    return found


def description(value: Any) -> Tree:
    """Describe a term by its class and settings, without its data: arrays by a checksum, functions by name.

    Parameters
    ----------
    value : object
        A term, or one of its settings.

    Returns
    -------
    tree
        Dictionaries, tuples, numbers and strings. Two terms with the same description have the same settings, as far
        as names of functions tell.

    Examples
    --------
    >>> import wgf
    >>> description(wgf.Blob("scott"))
    {'is': 'Blob', 'bandwidth': 'scott'}
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return value if value == value else "nan"
    if isinstance(value, (Tensor, np.ndarray)):
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        if array.size <= SHOWN:
            return f"{array.dtype}{list(array.shape)} {array.tolist()}"
        content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:32]
        return f"{array.dtype}{list(array.shape)} {content}"
    if isinstance(value, (tuple, list)):
        return tuple(description(entry) for entry in value)
    if isinstance(value, dict):
        return {str(key): description(entry) for key, entry in value.items()}
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    parts = parts_of(value)
    if parts is None:
        kept = {name for name in dir(type(value)) if isinstance(getattr(type(value), name), cached_property)}
        parts = {name: part for name, part in getattr(value, "__dict__", {}).items() if name not in kept}
    return {"is": type(value).__qualname__} | {name: description(part) for name, part in parts.items()}
