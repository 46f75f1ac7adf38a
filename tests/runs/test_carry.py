"""Runs that are carried on: new, running, broken or done."""

from __future__ import annotations

import pytest

from wgf.errors import LockedError
from wgf.runs import Standing, carry_on, load_config, standing
from wgf.storage import DirectoryLock


def test_a_run_is_carried_out_once(place, undrawn):
    config = load_config(place / "small.toml")
    assert standing("out") is Standing.NEW
    first = carry_on(config, "out")
    assert first["status"] == "COMPLETED"
    assert standing("out") is Standing.DONE
    assert carry_on(config, "out") == first
    (place / "out").rename(place / "out.partial")
    assert standing("out") is Standing.BROKEN
    with DirectoryLock(place / "out.partial"):
        assert standing("out") is Standing.RUNNING
        with pytest.raises(LockedError, match="out' is being written by another process"):
            carry_on(config, "out")
    assert carry_on(config, "out")["final"] == first["final"]
    assert standing("out") is Standing.DONE
