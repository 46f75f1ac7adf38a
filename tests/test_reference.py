"""The reference: every public name has, in its own docstring, an example that runs and what belongs to it."""

from __future__ import annotations

import doctest
import inspect

import pytest
import reference


@pytest.fixture(scope="module")
def texts():
    """All public names with their docstrings."""
    return {
        f"{module}.{name}": inspect.getdoc(value) or "" for module, name, value in reference.public() if callable(value)
    }


def test_every_public_name_has_an_example_and_relatives(texts):
    assert len(texts) > 220
    assert [name for name, text in texts.items() if "\nExamples\n---" not in text] == []
    assert [name for name, text in texts.items() if "\nSee Also\n---" not in text] == []


def test_every_room_is_in_the_reference_or_named_as_internal(monkeypatch):
    reference.require_all_rooms()
    monkeypatch.delitem(reference.INSIDE, "wire")
    with pytest.raises(SystemExit, match="wire"):
        reference.require_all_rooms()


def test_relatives_are_there(texts):
    for text in texts.values():
        for name in reference.relatives(text):
            assert reference.named(name) is not None


def test_pages_say_what_relatives_are():
    lines = reference.summarised(["See Also", "--------", "wgf.LogDet, wgf.solve", "wgf.Noise : noise", "", "Notes"])
    assert lines[2].startswith("wgf.LogDet : ")
    assert lines[3].startswith("wgf.solve : ")
    assert lines[4:] == ["wgf.Noise : noise", "", "Notes"]


def test_examples_that_are_made_run(texts):
    """Those of the regularizers, which are made of the entropies; test_doctests.py reads files."""
    written = ("wgf.regularizers.ForceMonitor", "wgf.regularizers.Regularizer")
    for name, text in texts.items():
        if name.startswith("wgf.regularizers.") and name not in written:
            runner = doctest.DocTestRunner()
            runner.run(doctest.DocTestParser().get_doctest(text, {}, name, name, 0))
            assert runner.tries > 0, name
            assert runner.failures == 0, name
