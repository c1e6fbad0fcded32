"""Requests to the server, their answers and the rows that they leave."""

from dataclasses import asdict
from functools import partial

from conformance.drivers.canary import bent_rows, run_canary
from conformance.drivers.expectations import NO_READBACK, require_match, require_rows
from conformance.drivers.markers import scenarios, vectors
from conformance.drivers.posted_batch import PostedBatch, event_url, is_hostile, post, post_vectors
from conformance.drivers.requests import Request, as_json
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.protocol.requirements import Lane
from conformance.readback import StoredRow


@vectors(Lane.SERVER)
def test_request_leaves_rows(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """Each vector's request is answered and stored as the vector specifies."""
    posted = instruments.once(post_vectors, is_hostile(evidence.case))
    _keep(instruments, evidence, posted, token)
    _require_status(evidence, posted, token, event_url(instruments))
    accepted = posted.replies[token][0].accepted
    rows = posted.rows[token] if posted.rows is not None else None
    require_rows(evidence, token, rows, accepted=accepted)
    bent = bent_rows(rows, next(iter(evidence.case.vector.get("rows", ())), {}))
    run_canary(
        instruments,
        evidence,
        partial(require_rows, evidence, token, bent, accepted=accepted) if bent else None,
    )


@scenarios("server/dash-4-case-twins")
def test_case_twins(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """DASH-4: two names that differ only in case stay distinct."""
    names = [f"Newsletter Signup {token}", f"newsletter signup {token}"]
    rows = _post_both(instruments, evidence, token, names)
    require_match(sorted(names), sorted((row.name for row in rows), key=str), "the list of the stored names")


@scenarios("server/store-1-equal-events-stay-two")
def test_equal_events(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """STORE-1: the same body posted twice makes two rows."""
    rows = _post_both(instruments, evidence, token, [f"Add to Cart {token}"] * 2)
    if len(rows) != 2:
        raise Violation(f"expected 2 rows for two equal events, got {len(rows)}")


def _post_both(instruments: Instruments, evidence: Evidence, token: str, names: list[str]) -> list[StoredRow]:
    """Post a plain event of each name and return the rows. Raises Violation unless all are accepted."""
    bodies = [
        as_json({"t": "e", "n": name, "mk": [], "mv": [], **instruments.setup.envelope}) for name in names
    ]
    posted = post(instruments, {token: [Request(body=body) for body in bodies]}, {token: len(names)})
    _keep(instruments, evidence, posted, token)
    if refused := [reply for reply in posted.replies[token] if not reply.accepted]:
        raise Violation(f"expected 2xx, got {refused[0]}")
    if posted.rows is None:
        raise NotTestable(NO_READBACK)
    evidence.rows(posted.rows[token])
    return posted.rows[token]


def _keep(instruments: Instruments, evidence: Evidence, posted: PostedBatch, token: str) -> None:
    evidence.sent = [request.shown(event_url(instruments)) for request in posted.requests[token]]
    evidence.received = [asdict(reply) for reply in posted.replies[token]]


def _require_status(evidence: Evidence, posted: PostedBatch, token: str, url: str) -> None:
    """Require the vector's status; without one, require that the event was accepted (2xx)."""
    vector = evidence.case.vector
    [reply] = posted.replies[token]
    wanted = vector.get("status", "2xx")
    found = f"{(reply.status or 0) // 100}xx"
    if found not in wanted.split("-or-"):
        # The failure is in the answer alone, so curl can reproduce it.
        evidence.repro = posted.requests[token][0].curl(url) or evidence.repro
        raise Violation(f"expected {wanted.replace('-or-', ' or ')}, got {reply}")
    # Only malformed bodies need a reason; a wrong method needs a 4xx only (WIRE-8).
    malformed = wanted == "4xx" and posted.requests[token][0].method == "POST"
    if malformed and not reply.text.strip():
        raise Violation(f"expected a reason in the answer, got an empty {reply.status}")
