"""A short, seeded run of the fuzzer of signals; the long one is `python tests/fuzz/signals.py`."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("fuzz_signals", Path(__file__).with_name("signals.py"))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_no_signal_costs_a_run():
    import sys

    fuzz = importlib.util.module_from_spec(SPEC)
    sys.modules[SPEC.name] = fuzz
    SPEC.loader.exec_module(fuzz)
    assert fuzz.run(8, seed=0, seconds=10.0) == []
