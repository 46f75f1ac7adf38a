"""Memory kept between large results: never shared by two that live, bounded, and invisible in the results."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from wgf.ops import memory

N = memory.LEAST // 8


@pytest.fixture(autouse=True)
def nothing_idle():
    gc.collect()
    memory._idle.clear()
    yield
    memory._idle.clear()


def test_memory_comes_back_when_the_last_view_has_gone():
    array = memory.empty((N, 1), np.float64)
    address = array.ctypes.data
    tensor = torch.from_numpy(array)[1:]  # a view of a view of it
    del array
    gc.collect()
    assert not memory._idle
    assert memory.empty((N,), np.float64).ctypes.data != address
    tensor.fill_(7.0)
    other = memory.empty((N,), np.float64)
    other[:] = 1.0
    assert bool((tensor == 7.0).all())
    del tensor, other
    gc.collect()
    assert address in [idle.ctypes.data for idle in memory._idle]


def test_the_same_memory_serves_again():
    array = memory.empty((N,), np.float64)
    address = array.ctypes.data
    del array
    again = memory.empty((2 * N,), np.float32)  # as many bytes
    assert again.ctypes.data == address
    assert again.flags.c_contiguous
    assert again.flags.writeable


def test_what_lies_idle_is_bounded():
    count = memory.KEPT // (8 * N) + 3
    arrays = [memory.empty((N,), np.float64) for _ in range(count)]
    del arrays
    gc.collect()
    assert sum(idle.size for idle in memory._idle) <= memory.KEPT


def test_small_arrays_are_numpys_own():
    array = memory.empty((3, 2), np.float32)
    assert (array.shape, array.dtype) == ((3, 2), np.float32)
    del array
    assert not memory._idle


def test_memory_given_back_while_some_is_taken():
    """A finalizer in the middle of a search neither waits for it nor touches what it looks through."""
    one, other = memory.empty((N,), np.float64), memory.empty((2 * N,), np.float64)
    place = other.ctypes.data
    del one
    with memory._lock:  # as if the collector ran inside `_take`
        del other
        gc.collect()
        assert [idle.size for idle in memory._idle] == [8 * N]
        fresh = memory.empty((2 * N,), np.float64)  # what was given back is not yet to be had
        assert fresh.ctypes.data != place
    assert memory.empty((2 * N,), np.float64).ctypes.data == place


def test_what_is_larger_than_may_lie_idle_does_not_drive_out_the_rest(monkeypatch):
    monkeypatch.setattr(memory, "KEPT", 20 * N)
    small, large = memory.empty((N,), np.float64), memory.empty((3 * N,), np.float64)
    del small, large
    gc.collect()
    assert [idle.size for idle in memory._idle] == [8 * N]
