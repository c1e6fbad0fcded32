"""The audit of captures: every protocol rule that the requests of a HAR can prove, by requirement id."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from conformance.protocol.matching import describe, is_number, is_text
from conformance.protocol.outcomes import Violation
from conformance.protocol.payload import read_payload
from conformance.protocol.requirements import Lane, Level, Requirement, requirements
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Status, Verdict
from conformance.site.events import CUSTOM
from conformance.site.har import Capture, CapturedRequest, events_of
from conformance.site.headers import own_headers
from conformance.site.lint import advice
from conformance.site.report import conclude, result
from conformance.site.sources import events_in

PROVEN = {
    Lane.TRACKER: (
        *("PROP-2", "PROP-3", "PROP-5", "PROP-6", "REV-1", "REV-2", "REV-4"),
        *("WIRE-1", "WIRE-2", "WIRE-3", "WIRE-4", "WIRE-5", "DELIV-1"),
    ),
    Lane.SERVER: ("WIRE-6", "LINT-1", "LINT-2", "LINT-3"),
}
"""The requirements by lane of which a capture can prove a violation."""
_REFUTED_ONLY = {
    "WIRE-4": "a capture has no calls: only equal events at the same moment show a second request",
    "DELIV-1": "a capture does not hold the keepalive flag: only beacons, pictures, forms and XHR show its "
    "absence, and Firefox and Safari export no types of requests",
    "WIRE-5": "the export leaves out cookies, so that their absence proves nothing; in Chrome 'Export HAR "
    "(with sensitive data)' keeps them",
}
_UNPROVEN = {
    "API": "a capture has no calls of track()",
    "PROP": "a capture has no calls: the values that were passed are not known",
    "REV": "a capture has no calls: the amounts that were passed are not known",
    "DELIV": "a capture lists requests as the browser saw them, not as they reached a socket",
    "STORE": "a capture has no rows: run `clickport check` with a readback",
    "WIRE": "a capture has only the requests that this site made",
    "DASH": "a capture has no dashboard",
    "QUOTA": "a capture has no usage figures",
    "GOOD": "a capture does not show what a page is like with the tracker and without it",
}
_NOT_FETCH = {
    **{"ping": "sendBeacon", "beacon": "sendBeacon", "xhr": "XMLHttpRequest", "image": "a picture"},
    **{"document": "a form", "iframe": "a form"},
}
_TWICE_WITHIN = 0.1
# These redirects keep method and body; the request that follows is another entry.
_FOLLOWED = (307, 308)
_SECRETS = ("cookie", "authorization")


@dataclass(frozen=True, kw_only=True)
class PayloadFault:
    """A violation of one requirement by one request."""

    id: str
    text: str
    level: Level | None = None


def audit(
    captures: Sequence[Capture], *, source: str, strict: bool = False
) -> tuple[Run, Verdict, Mapping[str, Requirement]]:
    """Judge the requests to the path of events; return run, verdict, and the requirements in it.

    A request without its body, and a capture without events, verify nothing: exit code 4.
    """
    rules = _rules()
    requests = list(events_of(captures))
    missing = [r for r in requests if r.body is None and r.method == "POST"]
    results = [*_failures(captures, rules), *_advice(captures, rules)]
    # A failure that binds less than its requirement, of WIRE-4, leaves it open.
    failed = {each.requirement for each in results if each.level is rules[each.requirement].level}
    gap = f"{len(missing)} of {len(requests)} requests have no body" if missing else ""
    if not gap and not any(_is_event(request) for request in requests):
        gap = "no custom event was captured"
    for id_, rule in rules.items():
        if id_ in failed:
            continue
        if reason := _unprovable(id_) or _open_reason(id_, captures):
            results.append(result(rule, "", Status.NOT_RUN, reason, left_out=True))
        elif gap:
            results.append(result(rule, "", Status.NOT_TESTABLE, gap))
        else:
            results.append(result(rule, "", Status.PASS))
    run, verdict = conclude(rules, results, target={"capture": source}, strict=strict)
    return run, verdict, rules


def missing_bodies(captures: Sequence[Capture]) -> Iterator[str]:
    """Yield a line for each capture that lacks bodies, with the way to one that has them.

    No setting keeps the body of a request that failed before it was sent.
    """
    for capture in captures:
        posts = [r for r in events_of([capture]) if r.method == "POST"]
        missing = [r for r in posts if r.body is None]
        failed = [r for r in missing if not r.answered]
        number = len(missing) - len(failed)
        if number:
            yield (
                f"{capture.path}: {number} of {len(posts)} requests to {posts[0].path} have no body: "
                f"{capture.setting}"
            )
        if failed:
            requests = f"{len(failed)} request{'s' * (len(failed) != 1)} to {posts[0].path}"
            yield (
                f"{capture.path}: {requests} failed, and the export has no body ({_entries(failed)}): "
                "capture again where the endpoint can be reached and no extension blocks it"
            )


def unproven(verdict: Verdict) -> Iterator[str]:
    """Yield the requirements that a capture cannot prove, grouped by reason, one line each."""
    groups: dict[str, list[str]] = defaultdict(list)
    for row in verdict.requirements:
        if row.left_out:
            groups[row.reason].append(row.id)
    for reason, ids in groups.items():
        yield f"not proved: {', '.join(ids)}: {reason}"


def unanswered(captures: Sequence[Capture]) -> Iterator[str]:
    """Yield lines about events without an answer, or refused for the moment: they may have been lost."""
    for capture in captures:
        lost: dict[str, list[CapturedRequest]] = defaultdict(list)
        for request in sorted(events_of([capture]), key=lambda each: each.status):
            if _is_event(request) and not _has_settled(request):
                lost[_answer(request)].append(request)
        for answer, events in lost.items():
            number = f"{len(events)} event{'s' * (len(events) != 1)}"
            yield f"{capture.path}: {number} {answer} ({_entries(events)}): arrived or not?"


def _answer(request: CapturedRequest) -> str:
    if request.status:
        return f"answered with {request.status}"
    return "whose status the export lacks" if request.answered else "without an answer"


def _entries(requests: Sequence[CapturedRequest]) -> str:
    """Return the first places of requests in their file: "entries 3, 5"."""
    places = ", ".join(request.place.rpartition(" ")[2] for request in requests[:5])
    return f"{'entry' if len(requests) == 1 else 'entries'} {places}"


def _rules() -> Mapping[str, Requirement]:
    """Return each requirement of tracker and server, in the lane in which it is reported."""
    found = {}
    for id_, requirement in requirements().items():
        lanes = [lane for lane in (Lane.TRACKER, Lane.SERVER) if lane in requirement.lanes]
        lane = next((lane for lane, ids in PROVEN.items() if id_ in ids), lanes[0] if lanes else None)
        if lane and id_ not in ("LINT-4", "LINT-5"):
            found[id_] = replace(requirement, lanes=(lane,), excluded={})
    # Their cases in other lanes are pending; about a capture they are advice.
    for id_ in ("LINT-4", "LINT-5"):
        found[id_] = replace(requirements()[id_], lanes=(Lane.TRACKER,), excluded={})
    return found


def _unprovable(id_: str) -> str:
    """Return the reason why a capture cannot prove a requirement, or "" if it can."""
    if id_.startswith("LINT") or any(id_ in ids for ids in PROVEN.values()):
        return ""
    return _UNPROVEN[id_.partition("-")[0]]


def _open_reason(id_: str, captures: Sequence[Capture]) -> str:
    if id_ == "WIRE-5" and any(capture.has_cookies for capture in captures):
        return ""
    if id_ == "WIRE-6":
        return "an event without a 2xx answer shows nothing of it" if any(unanswered(captures)) else ""
    return _REFUTED_ONLY.get(id_, "")


def _is_event(request: CapturedRequest) -> bool:
    try:
        return request.body is not None and read_payload(request.body).get("t") == CUSTOM
    except Violation:
        return False


def _has_settled(request: CapturedRequest) -> bool:
    """Return True unless an event had no answer, or one that says nothing of the event (304, 429, 5xx)."""
    return 200 <= request.status < 300 or request.status in _FOLLOWED or _is_refused(request)


def _is_refused(request: CapturedRequest) -> bool:
    # Rate limits and outages are no matter of the payload.
    return 400 <= request.status < 500 and request.status != 429


def _failures(captures: Sequence[Capture], rules: Mapping[str, Requirement]) -> Iterator[CaseResult]:
    for capture in captures:
        again = {request.place: fault for request, fault in _twice(capture)}
        for request in capture.requests:
            for fault in (*_faults(request), *filter(None, [again.get(request.place)])):
                detail = f"{request.place}: {fault.text}"
                evidence = [_evidence(request)]
                yield result(
                    rules[fault.id], request.place, Status.FAIL, detail, evidence=evidence, level=fault.level
                )


def _advice(captures: Sequence[Capture], rules: Mapping[str, Requirement]) -> Iterator[CaseResult]:
    for each in advice(list(events_in(tuple(captures)))):
        yield result(rules[each.rule], each.event, Status.FAIL, f"{each.event}: {each.text}")


def _evidence(request: CapturedRequest) -> Mapping[str, Any]:
    body = (request.body or b"").decode("utf-8", "backslashreplace")
    own = [name for name, _ in own_headers(request.headers)]  # Keys of an API, for instance.
    headers = [(k, "…" if k in own else v) for k, v in request.headers if k.lower() not in _SECRETS]
    return {"method": request.method, "url": request.url, "headers": headers, "body": body}


def _faults(request: CapturedRequest) -> Iterator[PayloadFault]:
    if request.method == "OPTIONS":
        if request.is_event_path:
            asked = request.header("Access-Control-Request-Headers")
            reason = f", because of {asked}" if asked else ""
            yield PayloadFault(id="WIRE-5", text=f"a CORS preflight was sent before an event{reason}")
        return
    if not request.is_event_path:
        if request.method == "POST" and _is_event(request):
            yield PayloadFault(id="WIRE-1", text=f"an event was sent to {request.path}, not to …/api/event")
        return
    if request.method != "POST":
        yield PayloadFault(id="WIRE-1", text=f"{request.method} {request.path}: events are sent by POST")
        return
    yield from _transport(request)
    if request.body is not None:
        try:
            payload = read_payload(request.body)
        except Violation as violation:
            yield PayloadFault(id="WIRE-2", text=str(violation))
            return
        yield from _payload(payload, request)


def _transport(request: CapturedRequest) -> Iterator[PayloadFault]:
    kinds = (request.kind, request.header("Sec-Fetch-Dest") or "")
    if api := next(filter(None, (_NOT_FETCH.get(kind.lower()) for kind in kinds)), None):
        yield PayloadFault(id="DELIV-1", text=f"sent by {api}, not by fetch with keepalive")
    if request.cookies and request.header("Cookie") is None:
        yield PayloadFault(id="WIRE-5", text="the request carries cookies")
    for name, _ in request.headers:
        if name.lower() in _SECRETS:
            yield PayloadFault(id="WIRE-5", text=f"the request carries {name}")
    for name, value in own_headers(request.headers):
        if name.lower() not in _SECRETS:
            shown = f"{name}: {value}" if name.lower() == "content-type" else name
            yield PayloadFault(id="WIRE-5", text=f"the request has a header of its own, {shown}")


def _payload(payload: Mapping[str, Any], request: CapturedRequest) -> Iterator[PayloadFault]:
    if payload.get("t") != CUSTOM:
        # Page views have another t, but no name: a named one is meant as an event.
        if payload.get("n"):
            yield PayloadFault(id="WIRE-2", text=f't is {describe(payload.get("t"))}, not "e"')
        return
    if not payload.get("n") or not isinstance(payload["n"], str):
        yield PayloadFault(id="WIRE-2", text=f"n is {describe(payload.get('n'))}, not the name of an event")
    elif not is_text(payload["n"]):
        yield PayloadFault(id="PROP-6", text="the name has a lone surrogate")
    yield from _properties(payload)
    yield from _revenue(payload)
    if _is_refused(request):
        yield PayloadFault(id="WIRE-6", text=f"the server answered {request.status} to an event")


def _properties(payload: Mapping[str, Any]) -> Iterator[PayloadFault]:
    keys, values = payload.get("mk", []), payload.get("mv", [])
    if not isinstance(keys, list) or not isinstance(values, list):
        yield PayloadFault(
            id="WIRE-3", text=f"mk is {describe(keys)} and mv {describe(values)}, not two arrays"
        )
        return
    if len(keys) != len(values):
        yield PayloadFault(id="WIRE-3", text=f"mk has {len(keys)} members and mv {len(values)}")
    if not all(isinstance(key, str) for key in keys):
        yield PayloadFault(id="WIRE-3", text=f"mk has a member that is not a string: {describe(keys)}")
    if len(keys) > 30:
        yield PayloadFault(id="PROP-2", text=f"{len(keys)} properties, and an event has at most 30")
    for key, value in zip(keys, values, strict=False):
        yield from _value(key, value)


def _value(key: Any, value: Any) -> Iterator[PayloadFault]:
    if not isinstance(value, str):
        yield PayloadFault(id="PROP-5", text=f"property {describe(key)} is {describe(value)}, not a string")
        return
    # Code points, so that a tracker that counts these passes as one that counts UTF-16 units.
    if len(value) > 2000:
        text = f"property {describe(key)} has {len(value):,} characters, and a value has at most 2,000"
        yield PayloadFault(id="PROP-3", text=text)
    if not is_text(value) or not is_text(key):
        yield PayloadFault(id="PROP-6", text=f"property {describe(key)} has a lone surrogate")


def _revenue(payload: Mapping[str, Any]) -> Iterator[PayloadFault]:
    if "ra" not in payload:
        if payload.get("rc") is not None:
            yield PayloadFault(id="REV-4", text=f"rc is {describe(payload['rc'])}, without an amount")
        return
    if payload["ra"] is None and payload.get("rc") is None:
        yield PayloadFault(id="REV-4", text="ra is null: without revenue it must be left out")
    elif not is_number(payload["ra"]):
        yield PayloadFault(id="REV-1", text=f"ra is {describe(payload['ra'])}, not a number")
    elif not isinstance(payload.get("rc"), str) or not payload["rc"]:
        yield PayloadFault(
            id="REV-2", text=f"rc is {describe(payload.get('rc'))}, not the currency of the amount"
        )


def _twice(capture: Capture) -> Iterator[tuple[CapturedRequest, PayloadFault]]:
    """Yield each event that an equal one of its page preceded by less than 100 ms, with a warning (WIRE-4).

    Another try after a failure does not count, nor does the request that a service worker passes on, nor one
    whose time the export lacks.
    """
    equal: dict[tuple[Any, str], list[CapturedRequest]] = defaultdict(list)
    for request in events_of([capture]):
        if request.seconds and not request.by_worker and _is_event(request):
            equal[request.body, request.page].append(request)
    text = "an equal event was sent less than 100 ms before: called twice, or sent twice?"
    for group in equal.values():
        for earlier, request in pairwise(sorted(group, key=lambda each: each.seconds)):
            if 200 <= earlier.status < 300 and request.seconds - earlier.seconds < _TWICE_WITHIN:
                yield request, PayloadFault(id="WIRE-4", text=text, level=Level.SHOULD)
