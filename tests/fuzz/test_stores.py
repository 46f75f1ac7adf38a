"""A short run of the fuzzing of stored runs; the long one is `python tests/fuzz/stores.py --files 10000`."""

from __future__ import annotations

import pytest
from fuzz.stores import run


@pytest.mark.slow
def test_no_damaged_store_becomes_another_run():
    faults, counts = run(40, seed=0)
    assert faults == []
    assert counts["error"] > 0
    assert counts["harmless"] > 0
