"""An end for what hangs or does not listen: drivers lose answers, and exceptions in their callbacks."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from conformance.protocol.outcomes import SuiteFault


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise SuiteFault in what takes longer. Does nothing where there are no alarms, or in another thread."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise SuiteFault(f"it did not end within {seconds:g} s: something hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Interrupts:
    """Ctrl-C, remembered: where it falls into somebody's callback, KeyboardInterrupt is lost."""

    def __init__(self) -> None:
        self.seen = False

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Note SIGINT besides raising KeyboardInterrupt; does nothing where SIGINT is somebody else's."""
        before = signal.getsignal(signal.SIGINT)
        own = before is signal.default_int_handler and threading.current_thread() is threading.main_thread()
        if own:
            signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            if own:
                signal.signal(signal.SIGINT, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
        # Nobody will ask how the tasks ended that are broken off now, and asyncio would complain of it.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        signal.default_int_handler(number, frame)
