"""What hangs comes to an end, and what does not is left alone."""

import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import cast

import pytest

from conformance.evidence import SuiteFault
from conformance.hanging import Interrupts, within
from conformance.session import Referee
from conformance.setup import Setup


def test_a_wait_for_an_answer_that_never_comes_ends() -> None:
    """As a driver waits that has lost an answer: in a read without a limit."""
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(SuiteFault, match="did not end within"), within(0.05):
        ours.recv(1)


def test_what_ends_in_time_is_left_alone() -> None:
    """No alarm is left, and the handler is the one from before."""
    before = signal.getsignal(signal.SIGALRM)
    with within(30):
        pass
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (before, (0.0, 0.0))


def test_ctrl_c_is_remembered_wherever_it_falls() -> None:
    """A callback that swallows KeyboardInterrupt does not undo it."""
    interrupts = Interrupts()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # These tests may run without Ctrl-C.
    try:
        with interrupts.remembered(), suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupts.seen
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_no_case_begins_after_ctrl_c() -> None:
    """What was remembered ends the run before its next case."""
    referee = Referee(cast("Setup", None), lambda _: None)
    referee.pytest_runtest_logstart()
    referee.interrupts.seen = True
    with pytest.raises(KeyboardInterrupt):
        referee.pytest_runtest_logstart()


def test_in_other_threads_nothing_happens() -> None:
    """Python delivers signals to its main thread only."""

    def work() -> int:
        with within(0.001):
            return 1

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == 1
