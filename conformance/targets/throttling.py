"""Recognises a server that limits how many events it takes from one sender: no verdict can come of that."""

from collections.abc import Sequence

from conformance.protocol.outcomes import TargetUnavailable

# A fault that loses events at random, or those of one kind, must not be taken for a limit.
_LEAST_STORED, _LEAST_LOST = 5, 20
_MOST_EXCEPTIONS = 0.1


class Throttled(TargetUnavailable):
    """The server turns events away because there were too many, whatever is in them."""

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"the server limits how many events it takes from one sender: {pattern}. Switch the limit off "
            "for this run, or raise it above 5,000 events a minute for this machine"
        )


def require_unthrottled(stored: Sequence[bool]) -> None:
    """Raise Throttled if acknowledged events, in the order of sending, were stored up to one and then not.

    That is how a rate limit looks that answers 2xx to what it drops. A tenth may be otherwise: connections
    overtake each other, and a limit lets some through as time goes by.
    """
    kept = sum(stored)
    lost = len(stored) - kept
    late = sum(stored[kept:])
    if kept >= _LEAST_STORED and lost >= _LEAST_LOST and late <= _MOST_EXCEPTIONS * min(kept, lost):
        raise Throttled(f"of {len(stored)} events answered with 2xx it stored about the first {kept}")
