"""Every example in a docstring of the package runs and prints what it says, solvers and benchmarks included."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import wgf.benchmarks
import wgf.solvers

import wgf

PACKAGES = {"wgf": wgf, "wgf.solvers": wgf.solvers, "wgf.benchmarks": wgf.benchmarks}
LEAST = 900
"""So many lines of examples there are at least; a fall means that a room is no longer looked into."""


def files() -> dict[str, Path]:
    """Every module of the package by name: wgf.solvers and wgf.benchmarks may stand outside the folder of wgf."""
    found = {}
    for package, module in PACKAGES.items():
        folder = Path(str(module.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([package, *parts]).removesuffix(".__init__")] = path
    return found


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Every docstring of a file by name, read off its text: operations of torch are objects that doctest passes by."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield getattr(node, "name", path.stem), ast.get_docstring(node) or ""


def written(path: Path) -> int:
    """How many examples the docstrings of a file hold."""
    return sum(len(doctest.DocTestParser().get_examples(text)) for _, text in docstrings(path))


EXAMPLES = {name: count for name, path in files().items() if (count := written(path))}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_a_module(name):
    if ".cuda" in name:
        pytest.importorskip("triton", reason="triton has no wheel for this platform")
    runner = doctest.DocTestRunner()
    for where, text in docstrings(files()[name]):
        names = dict(vars(importlib.import_module(name)))
        runner.run(doctest.DocTestParser().get_doctest(text, names, where, name, 0))
    assert runner.failures == 0
    assert runner.tries == EXAMPLES[name]


def test_there_are_as_many_examples_as_there_were():
    assert sum(EXAMPLES.values()) >= LEAST
