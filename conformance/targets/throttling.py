"""Detection of rate limits: if a server drops events of one sender, no verdict about them is possible."""

from collections.abc import Sequence

from conformance.protocol.outcomes import TargetUnavailable

# A fault that loses events at random, or all events of one kind, must not be mistaken for a rate limit.
_LEAST_STORED, _LEAST_LOST = 5, 20
_MOST_EXCEPTIONS = 0.1


class Throttled(TargetUnavailable):
    """A server that drops events because there were too many, regardless of their content."""

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"the server limits how many events it takes from one sender: {pattern}. Disable the limit "
            "for this run, or raise it above 5,000 events a minute for this machine"
        )


def require_unthrottled(stored: Sequence[bool]) -> None:
    """Raise Throttled if acknowledged events were stored up to one of them and hardly any after it.

    ``stored`` has one entry per event, in the order of sending. This is the pattern of a rate limit that
    answers 2xx to the events that it drops. Up to 10 % may deviate, because connections overtake each other
    and the limit admits some more events with time.
    """
    kept = sum(stored)
    lost = len(stored) - kept
    late = sum(stored[kept:])
    if kept >= _LEAST_STORED and lost >= _LEAST_LOST and late <= _MOST_EXCEPTIONS * min(kept, lost):
        raise Throttled(f"of {len(stored)} events answered with 2xx it stored about the first {kept}")
