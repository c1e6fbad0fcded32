"""Time limits and interrupts."""

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
    """A read without a limit, like that of a driver that lost a response, is interrupted."""
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(SuiteFault, match="did not end within"), within(0.05):
        ours.recv(1)


def test_what_ends_in_time_is_left_alone() -> None:
    """A block that ends in time leaves no alarm, and the previous handler is restored."""
    before = signal.getsignal(signal.SIGALRM)
    with within(30):
        pass
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (before, (0.0, 0.0))


def test_ctrl_c_is_remembered_wherever_it_falls() -> None:
    """Ctrl-C is remembered although a callback swallows the KeyboardInterrupt."""
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
    """After Ctrl-C the run ends before its next case."""
    referee = Referee(cast("RunContext", None), lambda _: None)
    referee.pytest_runtest_logstart()
    referee.interrupts.seen = True
    with pytest.raises(KeyboardInterrupt):
        referee.pytest_runtest_logstart()


def test_in_other_threads_nothing_happens() -> None:
    """Outside the main thread there is no limit: Python delivers signals only to the main thread."""

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
    """After Ctrl-C in a driver's task, asyncio prints no traceback of an unretrieved exception."""
    done = subprocess.run([sys.executable, "-c", _BROKEN_OFF], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


_SWALLOWED = """
import os, signal, time
from conformance.harness import timeouts

signal.signal(signal.SIGINT, signal.default_int_handler)  # These tests may run without Ctrl-C.
timeouts._AGAIN_SECONDS = 0.1
try:
    with timeouts.Interrupts().remembered():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        except KeyboardInterrupt:
            pass  # As a driver's callback may do.
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_that_is_swallowed_is_repeated() -> None:
    """Ctrl-C ends the block although the first KeyboardInterrupt is caught inside it."""
    done = subprocess.run(
        [sys.executable, "-c", _SWALLOWED], capture_output=True, text=True, check=True, timeout=30
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
