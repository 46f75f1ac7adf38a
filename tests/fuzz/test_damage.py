"""A short run of the search for damage that is read in silence; the long one is `python tests/fuzz/damage.py`."""

from __future__ import annotations

import pytest
from fuzz.damage import DAMAGES, Kind, fault, search


@pytest.mark.slow
def test_no_damaged_file_ends_in_a_traceback_or_is_read_as_another():
    assert search(files=60, seed=0) == []


def test_the_search_sees_what_is_wrong(tmp_path):
    """A test of the test: a reader without a check, and one that fails."""
    path = tmp_path / "file"
    path.write_bytes(b"12")
    kind = Kind("digits", path, lambda: int(path.read_bytes()), sealed=True)
    assert fault(kind, b"12", 12) == ""
    assert fault(kind, b"13", 12) == "another content was read without an error"
    assert "ValueError" in fault(kind, b"no", 12)
    assert path.read_bytes() == b"12"


def test_every_damage_changes_the_content():
    import numpy as np

    content = bytes(range(256)) + b'{"t": 0.25, "x": [1, 2]}'
    for damage in DAMAGES:
        changed = [damage(content, np.random.default_rng(k), [b"another"]) != content for k in range(20)]
        assert sum(changed) >= 15, damage.__name__
