"""The audit of captures: every protocol rule that the requests of a HAR can prove, by requirement id."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from conformance.protocol.matching import describe, is_number, is_text
from conformance.protocol.outcomes import Violation
from conformance.protocol.payload import read_payload
from conformance.protocol.requirements import Lane, Level, Requirement, requirements
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Status, Verdict
from conformance.site.events import CUSTOM
from conformance.site.har import Capture, CapturedRequest, events_of
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
    "DELIV-1": "a capture does not hold the keepalive flag: only beacons, pictures and XHR show its absence",
    "WIRE-5": "the export leaves out cookies, so that their absence proves nothing",
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
}
_NOT_FETCH = {"ping": "sendBeacon", "beacon": "sendBeacon", "xhr": "XMLHttpRequest", "image": "a picture"}
_TWICE_WITHIN = 0.1
_SECRETS = ("cookie", "authorization")


@dataclass(frozen=True, kw_only=True)
class Fault:
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
    """Yield a line for each capture that lacks bodies, with the setting that keeps them."""
    for capture in captures:
        posts = [r for r in events_of([capture]) if r.method == "POST"]
        missing = sum(request.body is None for request in posts)
        if missing:
            yield (
                f"{capture.path}: {missing} of {len(posts)} requests to {posts[0].path} have no body: "
                f"{capture.setting}"
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
    """Yield a line about events without an answer in the capture: they may have been lost."""
    for capture in captures:
        lost = [r for r in events_of([capture]) if r.status == 0 and _is_event(r)]
        if lost:
            places = ", ".join(request.place.rpartition(" ")[2] for request in lost[:5])
            yield f"{capture.path}: {len(lost)} events without an answer (entries {places}): arrived or not?"


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
    return _REFUTED_ONLY.get(id_, "")


def _is_event(request: CapturedRequest) -> bool:
    try:
        return request.body is not None and read_payload(request.body).get("t") == CUSTOM
    except Violation:
        return False


def _failures(captures: Sequence[Capture], rules: Mapping[str, Requirement]) -> Iterator[CaseResult]:
    for capture in captures:
        for request in capture.requests:
            for fault in (*_faults(request), *_twice(request, capture)):
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
    headers = [(k, v) for k, v in request.headers if k.lower() not in _SECRETS]
    return {"method": request.method, "url": request.url, "headers": headers, "body": body}


def _faults(request: CapturedRequest) -> Iterator[Fault]:
    if request.method == "OPTIONS":
        if request.is_event_path:
            yield Fault(id="WIRE-5", text="a CORS preflight was sent before an event")
        return
    if not request.is_event_path:
        if request.method == "POST" and _is_event(request):
            yield Fault(id="WIRE-1", text=f"an event was sent to {request.path}, not to …/api/event")
        return
    if request.method != "POST":
        yield Fault(id="WIRE-1", text=f"{request.method} {request.path}: events are sent by POST")
        return
    yield from _transport(request)
    if request.body is not None:
        try:
            payload = read_payload(request.body)
        except Violation as violation:
            yield Fault(id="WIRE-2", text=str(violation))
            return
        yield from _payload(payload, request)


def _transport(request: CapturedRequest) -> Iterator[Fault]:
    if api := _NOT_FETCH.get(request.kind.lower()):
        yield Fault(id="DELIV-1", text=f"sent by {api}, not by fetch with keepalive")
    for name, _ in request.headers:
        if name.lower() in _SECRETS:
            yield Fault(id="WIRE-5", text=f"the request carries {name}")
        elif name.lower().startswith("x-"):
            yield Fault(id="WIRE-5", text=f"the request has a header of its own, {name}")


def _payload(payload: Mapping[str, Any], request: CapturedRequest) -> Iterator[Fault]:
    if payload.get("t") != CUSTOM:
        # Page views have another t, but no name: a named one is meant as an event.
        if payload.get("n"):
            yield Fault(id="WIRE-2", text=f't is {describe(payload.get("t"))}, not "e"')
        return
    if not payload.get("n") or not isinstance(payload["n"], str):
        yield Fault(id="WIRE-2", text=f"n is {describe(payload.get('n'))}, not the name of an event")
    elif not is_text(payload["n"]):
        yield Fault(id="PROP-6", text="the name has a lone surrogate")
    yield from _properties(payload)
    yield from _revenue(payload)
    # Rate limits and outages are no matter of the payload.
    if 400 <= request.status < 500 and request.status != 429:
        yield Fault(id="WIRE-6", text=f"the server answered {request.status} to an event")


def _properties(payload: Mapping[str, Any]) -> Iterator[Fault]:
    keys, values = payload.get("mk", []), payload.get("mv", [])
    if not isinstance(keys, list) or not isinstance(values, list):
        yield Fault(id="WIRE-3", text=f"mk is {describe(keys)} and mv {describe(values)}, not two arrays")
        return
    if len(keys) != len(values):
        yield Fault(id="WIRE-3", text=f"mk has {len(keys)} members and mv {len(values)}")
    if not all(isinstance(key, str) for key in keys):
        yield Fault(id="WIRE-3", text=f"mk has a member that is not a string: {describe(keys)}")
    if len(keys) > 30:
        yield Fault(id="PROP-2", text=f"{len(keys)} properties, and an event has at most 30")
    for key, value in zip(keys, values, strict=False):
        yield from _value(key, value)


def _value(key: Any, value: Any) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(id="PROP-5", text=f"property {describe(key)} is {describe(value)}, not a string")
        return
    # Code points, so that a tracker that counts these passes as one that counts UTF-16 units.
    if len(value) > 2000:
        text = f"property {describe(key)} has {len(value):,} characters, and a value has at most 2,000"
        yield Fault(id="PROP-3", text=text)
    if not is_text(value) or not is_text(key):
        yield Fault(id="PROP-6", text=f"property {describe(key)} has a lone surrogate")


def _revenue(payload: Mapping[str, Any]) -> Iterator[Fault]:
    if "ra" not in payload:
        if payload.get("rc") is not None:
            yield Fault(id="REV-4", text=f"rc is {describe(payload['rc'])}, without an amount")
        return
    if payload["ra"] is None and payload.get("rc") is None:
        yield Fault(id="REV-4", text="ra is null: without revenue it must be left out")
    elif not is_number(payload["ra"]):
        yield Fault(id="REV-1", text=f"ra is {describe(payload['ra'])}, not a number")
    elif not isinstance(payload.get("rc"), str) or not payload["rc"]:
        yield Fault(id="REV-2", text=f"rc is {describe(payload.get('rc'))}, not the currency of the amount")


def _twice(request: CapturedRequest, capture: Capture) -> Iterator[Fault]:
    """Yield a warning if an equal event was sent at the same moment before this one (WIRE-4)."""
    if not _is_event(request):
        return
    earlier = takewhile(lambda other: other is not request, capture.requests)
    equal = (other for other in earlier if other.body == request.body)
    if any(0 <= request.seconds - other.seconds < _TWICE_WITHIN for other in equal):
        yield Fault(
            id="WIRE-4",
            text="an equal event was sent less than 100 ms before: called twice, or sent twice?",
            level=Level.SHOULD,
        )
