"""Delivery counts over repeated attempts to leave a page in the same way (``--repeat``)."""

from collections.abc import Callable, Sequence

from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import Violation
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


def repeat(
    instruments: Instruments,
    evidence: Evidence,
    token: str,
    attempt: Callable[[str], object],
    *,
    held: bool = False,
) -> None:
    """Run the attempt ``--repeat`` times, each with its own token, and record the counts.

    ``held``: the attempt fails exactly if no request outlived its page. Raises the first Violation, with the
    number of failed attempts.
    """
    setup, failed = instruments.setup, []
    number = setup.options.repeat
    others = (setup.token(f"{evidence.case.id} {n}", evidence.browser) for n in range(1, number))
    tokens = (token, *others)
    for own in tokens:
        try:
            attempt(own)
        except Violation as violation:
            failed.append((violation, evidence.sent, evidence.received, evidence.timeline))
    # Counted after all attempts, so that late and repeated requests are included.
    found = [instruments.events(own, 0) for own in tokens]
    evidence.delivery_counts = count(found, number - len(failed) if held else None)
    if failed:
        first, evidence.sent, evidence.received, evidence.timeline = failed[0]
        often = f" ({len(failed)} of {number} attempts)" if number > 1 else ""
        raise Violation(f"{first}{often}")
