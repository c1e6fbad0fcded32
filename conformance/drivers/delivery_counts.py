"""What is counted over several tries of leaving a page in the same way."""

from collections.abc import Sequence

from conformance.recorder import Exchange


def count(tries: Sequence[Sequence[Exchange]], kept: int | None = None) -> dict[str, int]:
    """Count over the requests of each try's event.

    ``arrived``: at least one request came whole; ``once``: exactly one did, not counting what follows
    a redirect of ours. Where answers were held back until the page was gone, ``kept`` is told: in how many
    tries a request lived on without its page; then ``undelayed`` counts those in which the page was left
    although the event was there and had no answer.
    """
    own = [[exchange for exchange in found if not exchange.followed] for found in tries]
    counted = {
        "of": len(own),
        "arrived": sum(bool(found) for found in own),
        "once": sum(len(found) == 1 for found in own),
    }
    if kept is None:
        return counted
    undelayed = sum(any(exchange.held for exchange in found) for found in own)
    return {**counted, "kept": kept, "undelayed": undelayed}
