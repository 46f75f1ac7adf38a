"""A short, seeded run of the fuzzer by SIGKILL; the long one is `python tests/fuzz/kills.py --kills 1000`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

if hasattr(os, "fork"):
    from fuzz.kills import Unbroken, forked, lost, run
from stored import CASES

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


@pytest.mark.slow
def test_no_kill_costs_a_run():
    assert run(20, seed=0, seconds=20.0) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")
def test_the_search_sees_what_is_wrong(tmp_path):
    """A test of the test: another run is no end of this one, and a step that is not there is missed."""
    case = CASES["noise Langevin"]
    whole = Unbroken(case, tmp_path / "whole")
    killed, lines = forked(CASES["noise Underdamped"], tmp_path / "other", 0.1, whole, None)
    assert not killed
    assert "fault" in lines
    assert "AssertionError" in lines[-1]
    assert lost(whole.folder, ["step 40"]) == ""
    assert "step 41 was reported as written" in lost(whole.folder, ["step 41"])
    shutil.rmtree(Path(whole.folder) / "checkpoints")
    assert "the store does not open" in lost(whole.folder, ["step 3"])
