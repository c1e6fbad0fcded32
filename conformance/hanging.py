"""An end for what hangs: drivers and browsers lose answers, and not every wait of theirs has a limit."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from conformance.evidence import SuiteFault


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
