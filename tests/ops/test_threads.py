"""Blocks of work in threads: each runs once, errors come through, and settings come back."""

from __future__ import annotations

import time

import pytest
import torch

from wgf.ops import threads


@pytest.fixture(autouse=True)
def two_threads():
    """However many the machine or a worker of pytest-xdist has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_blocks_are_run_once_and_settings_come_back():
    seen: list[int] = []
    before = torch.get_num_threads()
    with threads.one_torch_thread():
        with threads.one_torch_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
        threads.run_blocks(seen.extend, 7)
    threads.run_blocks(seen.extend, 9)
    assert torch.get_num_threads() == before
    assert sorted(seen) == sorted([*range(7), *range(9)])


def test_after_an_error_no_other_block_begins():
    begun = []

    def worker(indices):
        for index in indices:
            begun.append(index)
            if index == 1:
                raise ValueError("in a block")
            time.sleep(0.01)

    with pytest.raises(ValueError, match="in a block"):
        threads.run_blocks(worker, 1000)
    assert len(begun) < 10


def test_blocks_within_blocks():
    """A worker that itself runs blocks waits for no thread that waits for it."""
    inner: list[int] = []

    def worker(indices):
        for _ in indices:
            threads.run_blocks(inner.extend, 3)

    threads.run_blocks(worker, 4)
    assert sorted(inner) == sorted([0, 1, 2] * 4)


def test_an_error_in_a_block_is_raised():
    def worker(indices):
        raise ValueError("in a block")

    with pytest.raises(ValueError, match="in a block"):
        threads.run_blocks(worker, 4)


def test_settings_are_held_for_each_thread_that_asks():
    """Torch's thread count belongs to a thread: overlapping holders neither lose it nor leave it behind."""
    import threading

    entered, leave, seen = threading.Event(), threading.Event(), []

    def other():
        with threads.one_torch_thread():
            seen.append(torch.get_num_threads())
            entered.set()
            leave.wait(10)
        seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    thread = threading.Thread(target=other)
    with threads.one_torch_thread():
        thread.start()
        assert entered.wait(10)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    leave.set()
    thread.join()
    assert seen[0] == 1


def test_little_work_stays_with_the_caller():
    import threading

    seen: set[int] = set()

    def worker(indices):
        for _ in indices:
            time.sleep(0.002)
            seen.add(threading.get_ident())

    threads.run_blocks(worker, 20, threads.HANDOVER - 1)
    assert seen == {threading.get_ident()}
    threads.run_blocks(worker, 20, threads.HANDOVER)
    assert len(seen) == 2


def test_small_steps_take_one_thread_of_torch_and_leave_all_to_compiled_code():
    def now():
        return torch.get_num_threads(), threads.count()

    with threads.small_steps(threads.small_steps.SMALL - 1):
        with threads.small_steps(10):
            assert now() == (1, 2)
        with threads.all_threads():
            assert now() == (2, 2)
            with threads.one_torch_thread():
                assert now() == (1, 1)
        assert now() == (1, 2)
    assert now() == (2, 2)
    with threads.small_steps(threads.small_steps.SMALL), threads.all_threads():
        assert now() == (2, 2)
    with pytest.raises(ValueError, match="inside"), threads.small_steps(10):
        raise ValueError("inside")
    assert now() == (2, 2)
