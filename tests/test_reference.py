"""The reference: every public name has an example that runs, and says what belongs to it."""

from __future__ import annotations

import doctest
import importlib
import inspect
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def pages():
    """The modules of docs/ that write the reference, and all names with their completed docstrings."""
    sys.path.insert(0, str(DOCS))
    try:
        reference, related = (importlib.import_module(name) for name in ("reference", "related"))
    finally:
        sys.path.remove(str(DOCS))
    texts = {}
    for module, name, value in reference.public():
        if callable(value):
            full = f"{module}.{name}"
            texts[full] = "\n".join(related.completed(full, (inspect.getdoc(value) or "").split("\n")))
    return related, texts


def test_every_public_name_has_an_example_and_relatives(pages):
    _, texts = pages
    assert len(texts) > 160
    assert [name for name, text in texts.items() if "\nExamples\n---" not in text] == []
    assert [name for name, text in texts.items() if "\nSee Also\n---" not in text] == []


def test_relatives_are_public_names(pages):
    related, texts = pages
    for group in related.GROUPS:
        for short in group:
            assert f"wgf.{short}" in texts, short


def test_examples_that_stand_outside_of_docstrings_run(pages):
    related, texts = pages
    written = ("wgf.regularizers.ForceMonitor", "wgf.regularizers.Regularizer")  # the others are made of the entropies
    others = {name: texts[name] for name in texts if name.startswith("wgf.regularizers.") and name not in written}
    for name, text in {**others, **related.EXAMPLES}.items():
        runner = doctest.DocTestRunner()
        runner.run(doctest.DocTestParser().get_doctest(text, {}, name, name, 0))
        assert runner.tries > 0, name
        assert runner.failures == 0, name
