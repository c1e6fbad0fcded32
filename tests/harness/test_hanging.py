"""What hangs comes to an end, and what does not is left alone."""

import logging
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import cast

import pytest

from conformance.harness.run_context import RunContext
from conformance.harness.timeouts import Interrupts, within
from conformance.protocol.outcomes import SuiteFault
from conformance.runner.session import Referee


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
        logging.getLogger("asyncio").setLevel(logging.NOTSET)


def test_no_case_begins_after_ctrl_c() -> None:
    """What was remembered ends the run before its next case."""
    referee = Referee(cast("RunContext", None), lambda _: None)
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


_BROKEN_OFF = """
import asyncio, gc, os, signal
from conformance.harness.timeouts import Interrupts

signal.signal(signal.SIGINT, signal.default_int_handler)  # These tests may run without Ctrl-C.

async def broken_off():
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(5)

loop = asyncio.new_event_loop()
try:
    with Interrupts().remembered():
        task = loop.create_task(broken_off())
        loop.run_forever()
except KeyboardInterrupt:
    print("interrupted")
del task
gc.collect()
"""


def test_tasks_that_are_broken_off_are_no_news() -> None:
    """Ctrl-C in a task of a driver: asyncio would print its traceback, as nobody asked how it ended."""
    done = subprocess.run([sys.executable, "-c", _BROKEN_OFF], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
