"""Every example in a docstring of the package runs and prints what it says, solvers and benchmarks included."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
from pathlib import Path

import pytest
import wgf.benchmarks
import wgf.solvers

import wgf

PACKAGES = {"wgf": wgf, "wgf.solvers": wgf.solvers, "wgf.benchmarks": wgf.benchmarks}
LEAST = 140
"""So many examples there are at least; a fall means that a room is no longer looked into."""


def files() -> dict[str, Path]:
    """Every module of the package by name: wgf.solvers and wgf.benchmarks may stand outside the folder of wgf."""
    found = {}
    for package, module in PACKAGES.items():
        folder = Path(str(module.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([package, *parts]).removesuffix(".__init__")] = path
    return found


def written(path: Path) -> int:
    """How many examples the docstrings of a file hold, read off its text alone."""
    parser, count = doctest.DocTestParser(), 0
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            count += len(parser.get_examples(ast.get_docstring(node) or ""))
    return count


EXAMPLES = {name: count for name, path in files().items() if (count := written(path))}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_a_module(name):
    if ".cuda" in name:
        pytest.importorskip("triton", reason="triton has no wheel for this platform")
    done = doctest.testmod(importlib.import_module(name))
    assert done.failed == 0
    assert done.attempted == EXAMPLES[name], "an example that doctest does not find"


def test_there_are_as_many_examples_as_there_were():
    assert sum(EXAMPLES.values()) >= LEAST
