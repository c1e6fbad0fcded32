"""Delivery counts over repeated attempts to leave a page in the same way (``--repeat``)."""

from collections.abc import Sequence

from conformance.recorder import Exchange


def count(attempts: Sequence[Sequence[Exchange]], kept: int | None = None) -> dict[str, int]:
    """Return how many attempts delivered their event, from the requests of each attempt.

    ``of`` is the number of attempts. ``arrived``: at least one request arrived whole; ``once``: exactly one
    did. Requests that follow a redirect of the recorder's are not counted. If answers were held back until
    the page was gone, pass ``kept``, the number of attempts whose request outlived its page; the result then
    has it, and ``undelayed``: the attempts in which the page was left while the event had no answer.
    """
    own = [[exchange for exchange in found if not exchange.followed] for found in attempts]
    counted = {
        "of": len(own),
        "arrived": sum(bool(found) for found in own),
        "once": sum(len(found) == 1 for found in own),
    }
    if kept is None:
        return counted
    undelayed = sum(any(exchange.held for exchange in found) for found in own)
    return {**counted, "kept": kept, "undelayed": undelayed}
