"""Error messages for a wrong configuration: the key, the given value, the wanted value, and the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from ..errors import closest, shown
from .schemes import solver_model
from .terms import chosen, model_at

MOST = 6
"""A message tells at most this many problems."""
_WANTED = {
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number > {gt:g}",
    "greater_than_equal": "a number ≥ {ge:g}",
    "int_from_float": "an integer",
    "int_type": "an integer",
    "less_than": "a number < {lt:g}",
    "less_than_equal": "a number ≤ {le}",
    "model_attributes_type": "a table",
    "model_type": "a table",
    "string_too_short": "a name that is not empty",
    "string_type": "a string",
    "tuple_type": "one or more tables [[{key}]]",
}


def complaints(error: ValidationError, model: type[BaseModel], label: str, changed: Sequence[str]) -> str:
    """Turn the errors of pydantic into sentences.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    model : type of BaseModel
        The model that was validated; known keys are looked up in it.
    label : str
        What to call the source of the settings, such as the path of the file.
    changed : sequence of str
        The keys that came from the command line.

    Returns
    -------
    str
        One line per problem. It begins with `label`, or with "--set" where the key came from the command line.
    """
    problems = sorted(error.errors(include_url=False), key=lambda problem: _rank(problem["loc"]))
    unknown = {problem["loc"] for problem in problems if problem["type"] == "extra_forbidden"}
    lines: list[str] = []
    for index, problem in enumerate(problems):
        if len(lines) == MOST:
            lines.append(f"... and {len(problems) - index} more problems.")
            break
        if problem["type"] == "missing" and _is_misspelt(problem["loc"], unknown):
            continue  # reported already as the unknown key
        key = _dotted(problem["loc"], problem["type"])
        by_set = any(f"{key}.".startswith(f"{name}.") or name.startswith(f"{key}.") for name in changed)
        lines.append(f"{'--set' if by_set else label}: {_sentence(problem, key, model)}")
    return "\n".join(lines)


def _rank(loc: Sequence[Any]) -> int:
    """Where a problem stands in the message: what is trained or moved comes before the terms and the solver."""
    plain, first = ("seed", "dtype", "device", "costs"), ("data", "network", "problem")
    return 0 if loc[:1] and loc[0] in plain else 1 if loc[:1] and loc[0] in first else 2


def _dotted(loc: Sequence[Any], kind: str) -> str:
    """The path of a key as the file writes it.

    pydantic's path also has the names of the chosen models, such as "Gaussian"; these are not keys and are left out.
    """
    last, names = len(loc) - 1 if kind == "extra_forbidden" else None, chosen()
    return ".".join(str(part) for depth, part in enumerate(loc) if part not in names or depth == last)


def _is_misspelt(missing: Sequence[Any], unknown: set[tuple[Any, ...]]) -> bool:
    return any(
        loc[:-1] == missing[:-1] and f"mean {missing[-1]!r}" in closest(loc[-1], [str(missing[-1])]) for loc in unknown
    )


def _sentence(problem: Any, key: str, model: type[BaseModel]) -> str:
    kind, loc, given, context = problem["type"], problem["loc"], problem["input"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key {key} = {_shown(given)}{closest(loc[-1], _keys(loc[:-1], model))}"
    if kind == "missing":
        return f"{key} is missing; wanted {_example(key)}."
    if kind == "union_tag_not_found":
        tag = context["discriminator"].strip("'")
        return f"{key} = {_shown(given)}: the key {tag!r} is missing, which names what it is."
    if kind == "union_tag_invalid":
        tag = context["discriminator"].strip("'")
        known = re.findall("[A-Za-z]+", context["expected_tags"])
        return f"{key}.{tag} = {shown(context['tag'])}{closest(context['tag'], known)}"
    if kind == "unknown_name":
        return f"{key} = {_shown(given)}{context['hint']}"
    wanted = _wanted(kind, key, context) or problem["msg"]
    quoted = isinstance(given, str) and wanted.startswith(("a number", "an integer", "true"))
    return f"{key} = {_shown(given)}: wanted {wanted}{' without quotes' if quoted else ''}."


def _wanted(kind: str, key: str, context: Any) -> str:
    last = key.rpartition(".")[2]
    if last == "seed":
        return "an integer from 0 to 2^64 - 1"
    if last == "kernel":
        return 'a table such as { name = "Gaussian", h = 1.0 }'
    if kind == "wanted":
        return str(context["what"])
    bound = context.get("ge")
    text = _WANTED.get(kind, "").format(**context, key=key)
    return text.replace("a number", "an integer") if isinstance(bound, int) else text


def _keys(loc: Sequence[Any], model: type[BaseModel]) -> list[str]:
    """The keys that are known at this place of the file."""
    for depth, part in reversed(list(enumerate(loc))):
        table = model_at(loc[:depth], part)
        if table is not None:
            return [*table.model_fields, *table.also]
        if part == "solver":
            return list(solver_model().model_fields)
        annotation = getattr(model.model_fields.get(str(part)), "annotation", None)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return list(annotation.model_fields)
    return list(model.model_fields)


def _shown(given: Any) -> str:
    """A value as TOML writes it, shortened to 60 characters."""
    return {True: "true", False: "false"}[given] if isinstance(given, bool) else shown(given, 60)


def _example(key: str) -> str:
    examples = {
        "data": 'a table [data] with source = "digits" or a path',
        "data.source": '"digits", "breast-cancer", "diabetes", "teacher" or a path to a .csv, .npy or .npz file',
        "solver": "a table [solver] with dt and t_end",
        "solver.dt": "the length of a step, a positive number",
        "solver.t_end": "the time to reach, a number ≥ 0",
    }
    last = key.rpartition(".")[2]
    return examples.get(key, "a number ≥ 0" if last == "temperature" else f"a value for {last}")
