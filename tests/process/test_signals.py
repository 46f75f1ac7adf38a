"""What a signal does in each mode, in this process: signals are raised here, and no process needs to be started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from wgf.process import signals
from wgf.process.signals import Mode

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture(autouse=True)
def default_handlers():
    """As in a process started from a terminal: a worker of pytest-xdist ignores SIGINT."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    assert {number: signal.getsignal(number) for number in usual} == usual, "handlers come back"
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_an_exception_has_the_exit_code_of_its_signal(number, code):
    with pytest.raises(KeyboardInterrupt) as caught, signals.during(Mode.RAISE):
        signal.raise_signal(getattr(signal, number))
    assert signals.code(caught.value) == signals.code() == code
    assert signals.arrived()


def test_held_signals_are_remembered_and_the_first_gives_the_code():
    with signals.during(Mode.HOLD):
        assert not signals.arrived()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            signal.raise_signal(number)
        assert signals.arrived()
        with pytest.raises(KeyboardInterrupt) as caught:
            signals.check()
        assert signals.code(caught.value) == 143
        assert signals.taken()
        signals.check()
        assert not signals.taken()


def test_a_waiting_signal_comes_at_the_next_check():
    with signals.during(Mode.HOLD), signals.during(Mode.WAIT):
        signals.check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signals.check()


def test_a_second_signal_does_not_wait():
    def twice():
        with signals.during(Mode.HOLD), signals.during(Mode.WAIT):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert signals.code() == 143


def test_a_long_step_is_ended(monkeypatch):
    monkeypatch.setattr(signals, "PATIENCE", 0.1)

    def long_step():
        with signals.during(Mode.HOLD), signals.during(Mode.WAIT):
            signal.raise_signal(signal.SIGTERM)
            patience = time.monotonic() + 20
            while time.monotonic() < patience:
                pass

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as caught:
        long_step()
    assert signals.code(caught.value) == 143
    assert time.monotonic() - begun < 15


def test_a_signal_of_one_block_does_not_end_a_later_one(monkeypatch):
    monkeypatch.setattr(signals, "PATIENCE", 0.1)
    with signals.during(Mode.HOLD):
        with signals.during(Mode.WAIT):
            signal.raise_signal(signal.SIGTERM)
        assert signals.taken()
        with signals.during(Mode.WAIT):
            time.sleep(0.3)
        assert not signals.arrived()


def test_handlers_of_the_caller_and_ignored_signals_stay():
    seen = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals.during(Mode.RAISE):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        assert not signals.arrived()
    assert seen == [signal.SIGTERM]
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_other_threads_change_nothing():
    def work():
        with signals.during(Mode.LEAVE) as outermost:
            seen.append((outermost, signals._Now.mode))

    seen: list = []
    with signals.during(Mode.HOLD):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [(False, Mode.HOLD)]


def test_only_a_lost_keyboard_interrupt_is_silent(capsys):
    class Lost:
        exc_type, exc_value, exc_traceback, err_msg, object = KeyboardInterrupt, None, None, None, None

    signals.quiet(Lost)
    assert capsys.readouterr().err == ""


LEAVING = """
import signal
from wgf.process import signals
with signals.during(signals.Mode.LEAVE):
    signal.raise_signal(signal.SIG{name})
print("not here")
"""
LIBRARY = """
import signal
from wgf.process import signals
with signals.caught():
    signal.raise_signal(signal.SIG{name})
    print("saved", flush=True)
print("goes on")
"""


def python(code, name):
    return subprocess.run([sys.executable, "-P", "-c", code.format(name=name)], capture_output=True, text=True)


@pytest.mark.parametrize(("name", "code"), [("INT", 130), ("TERM", 143), ("HUP", 129)])
def test_leaving_is_at_once_and_in_one_line(name, code):
    done = python(LEAVING, name)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "interrupted\n")


@pytest.mark.parametrize(
    ("name", "code", "said"), [("INT", 0, "saved\ngoes on\n"), ("TERM", -15, "saved\n"), ("HUP", -1, "saved\n")]
)
def test_in_a_program_of_the_user_sigterm_ends_it_when_the_work_is_saved(name, code, said):
    done = python(LIBRARY, name)
    assert (done.returncode, done.stdout) == (code, said)
