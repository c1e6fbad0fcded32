"""Time limits and interrupts that work although browser drivers may hang or swallow exceptions."""

import _thread
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from conformance.protocol.outcomes import SuiteFault

# Longer than tidying up takes.
_AGAIN_SECONDS = 15.0


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise SuiteFault in the block if it takes longer than ``seconds``.

    Does nothing on platforms without SIGALRM, or outside the main thread.
    """
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise SuiteFault(f"the check did not end within {seconds:g} s: a browser or its driver may hang")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Interrupts:
    """Record of Ctrl-C, for the case that a library's callback swallows the KeyboardInterrupt."""

    def __init__(self) -> None:
        self.seen = False
        self._ended = threading.Event()

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Set ``seen`` on SIGINT, then raise KeyboardInterrupt. Does nothing if SIGINT is handled already."""
        before = signal.getsignal(signal.SIGINT)
        own = before is signal.default_int_handler and threading.current_thread() is threading.main_thread()
        if own:
            signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            self._ended.set()
            if own:
                signal.signal(signal.SIGINT, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.seen:
            self.seen = True
            threading.Thread(target=self._repeat, daemon=True).start()
        # Tasks are abandoned now, and asyncio would log that their exceptions were never retrieved.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        signal.default_int_handler(number, frame)

    def _repeat(self) -> None:
        """Interrupt again while the block goes on: the callback of a driver may have swallowed the first."""
        while not self._ended.wait(_AGAIN_SECONDS):
            if os.name == "posix":
                os.kill(os.getpid(), signal.SIGINT)  # Unlike the other way, it also ends a system call.
            else:
                _thread.interrupt_main()
