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
        self._starting = 0
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
            if self._starting > 0:
                self.release()

    def hold(self, processes: int) -> None:
        """Hold back Ctrl-C, here and in processes started from now on, until as many have started.

        Ctrl-C in a process that loads its modules would print a traceback.
        """
        self._starting = processes
        _mask_interrupts("SIG_BLOCK")

    def started(self) -> None:
        """Count a process that has started; after the last one, interrupts arrive again."""
        self._starting -= 1
        if self._starting <= 0:
            self.release()

    def release(self) -> None:
        """Let interrupts arrive again: one that was held back does so now."""
        self._starting = 0
        _mask_interrupts("SIG_UNBLOCK")

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


def forget_held_interrupt() -> None:
    """Let interrupts arrive in a process that was started by ``Interrupts.hold``; drop one held back.

    The process that started it has been interrupted too, and ends it.
    """
    if hasattr(signal, "sigpending") and signal.SIGINT in signal.sigpending():
        signal.sigwait([signal.SIGINT])
    _mask_interrupts("SIG_UNBLOCK")


def _mask_interrupts(how: str) -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(getattr(signal, how), [signal.SIGINT])
