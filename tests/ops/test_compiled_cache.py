"""The cache of compiled functions: where it cannot be used, functions are compiled without it, and it is said once."""

from __future__ import annotations

import errno
import os
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import numba.core.caching
import pytest

from wgf.errors import WgfWarning
from wgf.ops.cpu import jit

BODY = """
from wgf.ops.cpu.jit import compiled

@compiled
def doubled(a):
    return a + a

@compiled
def tripled(a):
    return a + doubled(a)
"""


@pytest.fixture
def use(tmp_path, monkeypatch):
    """A function that uses two compiled functions as a new process does: results, cache hits, and what was said."""
    (tmp_path / "body.py").write_text(BODY)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))

    def used() -> tuple[tuple[float, int, int], list[str]]:
        jit._said.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            names = runpy.run_path(str(tmp_path / "body.py"))
            tripled, doubled = names["tripled"], names["doubled"]
            results = tripled(2.0), doubled(3), sum(tripled.stats.cache_hits.values())
        said = [str(warning.message) for warning in caught if warning.category is WgfWarning]
        assert all(len(text) < 300 for text in said), said
        return results, said

    yield used
    jit._said.clear()


def test_a_good_cache_is_silent(use):
    assert use() == ((6.0, 6, 0), [])
    assert use() == ((6.0, 6, 1), [])


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
@pytest.mark.parametrize("kept", [0, 1, 20, 0.5, -1])
def test_a_truncated_file_is_replaced_and_named_once(use, tmp_path, ending, kept):
    use()
    files = list((tmp_path / "cache").rglob(f"*{ending}"))
    assert len(files) >= 2
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    results, said = use()
    assert results == (6.0, 6, 0)
    assert len(said) == 1
    assert said[0].startswith("the cache of compiled functions in ")
    assert use() == ((6.0, 6, 1), []), "what was damaged is written again"


def test_files_of_another_kind_are_replaced(use, tmp_path):
    use()
    for path in (tmp_path / "cache").rglob("*.nb?"):
        path.write_bytes(b"\x80\x04}." * 30 if path.suffix == ".nbc" else bytes(range(100, 200)))
    results, said = use()
    assert results == (6.0, 6, 0)
    assert len(said) == 1


def test_without_any_folder_for_the_cache(use, monkeypatch):
    """A read-only installation and no home: numba finds no place."""
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    results, said = use()
    assert results == (6.0, 6, 0)
    assert len(said) == 1
    assert said[0].startswith("the cache of compiled functions cannot be used (cannot cache function")
    assert "NUMBA_CACHE_DIR" in said[0]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="/proc is a folder that even root cannot write")
def test_where_the_named_folder_cannot_be_made(use, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "/proc/nowhere")
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    results, said = use()
    assert results == (6.0, 6, 0)
    assert len(said) == 1


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), PermissionError(13, "denied")])
def test_a_full_disk_or_files_of_another_user(use, monkeypatch, error):
    def refuse(*_args):
        raise error

    monkeypatch.setattr(numba.core.caching.IndexDataCacheFile, "_open_for_write", refuse)
    results, said = use()
    assert results == (6.0, 6, 0)
    assert len(said) == 1
    assert error.strerror in said[0]


def test_an_index_that_cannot_be_read(use, tmp_path):
    """A folder stands where the index should: reading it is an OSError, and so is replacing it."""
    use()
    for path in (tmp_path / "cache").rglob("*.nbi"):
        path.unlink()
        path.mkdir()
    results, said = use()
    assert results == (6.0, 6, 0)
    assert len(said) == 1


def test_a_function_whose_callee_is_gone_is_compiled_again(use, tmp_path):
    """The code on disk calls another function where that is. It is silent: nothing is damaged."""
    use()
    for path in (tmp_path / "cache").rglob("body.doubled*"):
        path.unlink()
    assert use() == ((6.0, 6, 0), [])
    assert use() == ((6.0, 6, 1), [])


OPERATIONS = """
import hashlib
import numpy as np
from wgf.ops.cpu import moments, noise, pairwise
from wgf.ops.forms import GAUSSIAN

rng = np.random.default_rng(1)
x, y, w = rng.normal(size=(300, 2)), rng.normal(size=(41, 2)), np.full(300, 1.0 / 300.0)
single, ids = x.astype(np.float32), np.arange(300)
results = [
    *pairwise.pair_sums(x, y, w[:41], GAUSSIAN, (0.7,), 0.0, False),
    *pairwise.pair_sums(x, x, w, GAUSSIAN, (0.7,), 0.0, False),
    pairwise.stein_direction(single, single, w, single, GAUSSIAN, (0.7,), 0.0),
    noise.langevin(single, single, ids, (1, 2), 3, 0, 0.1, 0.2),
    moments.moments(x, w)[2],
]
print(*(hashlib.sha256(np.ascontiguousarray(result)).hexdigest()[:8] for result in results))
"""


def test_what_is_compiled_and_what_is_loaded_have_the_same_bits(tmp_path):
    """Two processes: with an empty cache, and with what the first one left there."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def bits():
        command = [sys.executable, "-P", "-c", OPERATIONS]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert bits() == bits()
