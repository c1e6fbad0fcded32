"""A lane's vectors, sent in one batch and read back in one, because rows may take seconds to appear."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import cycle

from conformance.drivers.pages import sentinel_of
from conformance.drivers.requests import Reply, Request, RequestSender, as_json, from_vector
from conformance.harness.instruments import Instruments
from conformance.harness.run_context import RunContext
from conformance.protocol.cases import Case
from conformance.protocol.outcomes import TargetUnavailable
from conformance.protocol.requirements import Lane
from conformance.readback import StoredRow

_BURST, _CONNECTIONS = 200, 4


@dataclass(frozen=True, kw_only=True)
class PostedBatch:
    """Requests, replies and rows by token. Without a readback ``rows`` has the value None."""

    requests: Mapping[str, list[Request]] = field(default_factory=dict)
    replies: Mapping[str, list[Reply]] = field(default_factory=dict)
    rows: Mapping[str, list[StoredRow]] | None = None


def post_vectors(instruments: Instruments, hostile: bool) -> PostedBatch:
    """Post the selected vectors of the server lane: the hostile ones (WIRE-8), or all the others.

    They are posted apart, so that damage done by hostile input does not fail unrelated requirements.
    """
    setup = instruments.setup
    requests, expected = {}, {}
    for case in instruments.selected(Lane.SERVER):
        if not case.vector or is_hostile(case) is not hostile:
            continue
        token = setup.token(case.id)
        requests[token] = [from_vector(case.vector["request"], token, setup.envelope)]
        expected[token] = len(case.vector.get("rows", ()))
    return post(instruments, requests, expected, hostile=hostile)


def is_hostile(case: Case) -> bool:
    """Return True for a case of WIRE-8, whose input is malformed on purpose."""
    return case.requirement == "WIRE-8"


def post(
    instruments: Instruments,
    requests: Mapping[str, list[Request]],
    expected: Mapping[str, int],
    *,
    hostile: bool = False,
) -> PostedBatch:
    """Post requests by token and read back their rows, waiting for the ``expected`` number of each.

    If there are several servers, each gets its share of them. Raises TargetUnavailable if the server is gone.
    """
    assert instruments.setup.server
    with ExitStack() as stack:
        senders = [
            stack.enter_context(closing(sender_to(instruments, hostile=hostile)))
            for _ in range(instruments.setup.server.count)
        ]
        requests = {token: list(map(senders[0].complete, own)) for token, own in requests.items()}
        replies = {
            token: [sender.send(each) for each in own]
            for sender, (token, own) in zip(cycle(senders), requests.items(), strict=False)
        }
    if instruments.readback is None:
        return PostedBatch(requests=requests, replies=replies)
    wanted = _still_expected(replies, expected)
    rows = awaited(instruments, wanted)
    return PostedBatch(requests=requests, replies=replies, rows=rows)


def awaited(instruments: Instruments, expected: Mapping[str, int]) -> dict[str, list[StoredRow]]:
    """Post a sentinel and read back the rows of each token, waiting for the expected number of each.

    Raises TargetUnavailable if the server is gone or does not answer the sentinel, a plain event.
    """
    setup = instruments.setup
    sentinel = sentinel_of(setup.token("sentinel", " ".join(expected)))
    with closing(sender_to(instruments)) as sender:
        last = sender.send(Request(body=plain_event(setup, sentinel)))
    if last.status is None:
        raise TargetUnavailable(f"the server did not answer a plain event: {last.problem}")
    return instruments.stored(expected, sentinel)


@dataclass(frozen=True, kw_only=True)
class Burst:
    """Many events posted at once: replies and rows by token. Without a readback ``rows`` is absent (None)."""

    replies: Mapping[str, Reply]
    rows: Mapping[str, list[StoredRow]] | None


def post_burst(instruments: Instruments) -> Burst:
    """Post 200 plain events on 4 connections and read back their rows.

    Raises TargetUnavailable if the server is gone, and Throttled if it limits the rate: then no case can be
    judged by its event.
    """
    token = instruments.setup.token("burst")
    tokens = [f"{token}{number:03}x" for number in range(_BURST)]
    replies: dict[str, Reply] = {}  # In order of the answers, which is roughly that of sending.

    def post_all(share: Iterable[str]) -> None:
        with closing(sender_to(instruments)) as sender:
            for each in share:
                replies[each] = sender.send(Request(body=plain_event(instruments.setup, each)))

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for done in [pool.submit(post_all, tokens[start::_CONNECTIONS]) for start in range(_CONNECTIONS)]:
            done.result()
    if instruments.readback is None:
        return Burst(replies=replies, rows=None)
    expected = {each: int(reply.accepted) for each, reply in replies.items()}
    return Burst(replies=replies, rows=awaited(instruments, expected))


def event_url(instruments: Instruments) -> str:
    """Return the event endpoint's URL of the server under test."""
    assert instruments.setup.server
    return instruments.setup.server.event_url


def sender_to(instruments: Instruments, *, hostile: bool = False) -> RequestSender:
    """Return a sender to the event endpoint of the server under test.

    ``hostile`` requests may go unanswered without counting against the server's other answers.
    """
    return RequestSender(
        event_url(instruments), instruments.setup.options.domain, None if hostile else instruments.patience
    )


def plain_event(setup: RunContext, token: str) -> bytes:
    """Return the body of a plain event: a name, no properties, no revenue."""
    return as_json({"t": "e", "n": f"Plain {token}", "mk": [], "mv": [], **setup.envelope})


def _still_expected(replies: Mapping[str, Iterable[Reply]], expected: Mapping[str, int]) -> dict[str, int]:
    """Return the expected numbers of rows, with 0 for tokens whose requests were refused."""
    return {
        token: number if all(reply.accepted for reply in replies[token]) else 0
        for token, number in expected.items()
    }
