"""Arguments of a call are read during the call and never modified (PROP-1, API-8)."""

import json
from typing import Any

from conformance.drivers import pages
from conformance.drivers.expectations import require_arrival, require_match
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import LATE_EVENT_SECONDS, Instruments
from conformance.protocol.outcomes import Violation
from conformance.protocol.payload import read_payload
from conformance.recorder import Exchange

# Defined before the tracker runs, from built-ins that it cannot have replaced yet; calls no getters.
_DESCRIBE = """
const { ownKeys, getOwnPropertyDescriptor, getPrototypeOf, isExtensible } = Reflect;
window.describe = (value, seen = []) => {
  if (Object(value) !== value) return typeof value + ' ' + String(value);
  if (seen.includes(value)) return 'seen before';
  seen.push(value);
  const proto = getPrototypeOf(value);
  const kind = proto === null ? 'null' : proto === Object.prototype ? 'Object'
    : proto === Array.prototype ? 'Array' : proto === Date.prototype ? 'Date ' + +value : 'another';
  return [kind, isExtensible(value), ownKeys(value).map((key) => {
    const { value: inner, get, set, ...flags } = getOwnPropertyDescriptor(value, key);
    const held = get || set ? 'accessor' : window.describe(inner, seen);
    return [String(key), Object.entries(flags).join(), held];
  })];
};
"""
_LATER = "later"

# Second and third arguments of a call: each gives a tracker something to convert, add, cut or reorder.
_ARGUMENTS = {
    "properties": (
        "{ zone: 'b', count: 42, ratio: 3.5, paid: true, none: null, open: undefined, at: new Date(0),"
        " list: ['b', 2, 'a'], nested: { deep: [1, { deeper: true }] }, 7: 'seven' }",
        "undefined",
    ),
    "31-properties": (
        "Object.fromEntries(Array.from({ length: 31 }, (_, i) => ['k' + i, i]))",
        "{ amount: 25 }",
    ),
    "long-values": ("{ long: 'x'.repeat(2001), pair: 'x'.repeat(1999) + '😀', lone: '\\ud83d' }", "null"),
    "revenue": ("null", "{ amount: 49.99 }"),
    "revenue-to-convert": ("{ plan: 'pro' }", "{ amount: '49.99', currency: 'eur', note: undefined }"),
    "null-currency": ("{}", "{ amount: 25, currency: null }"),
    "accessors": (
        "{ get plan() { return 'pro' }, plain: 1 }",
        "{ get amount() { return 25 }, get currency() { return 'EUR' } }",
    ),
}


@scenarios(
    "tracker/api-8-arguments-stay-properties",
    "tracker/api-8-arguments-stay-31-properties",
    "tracker/api-8-arguments-stay-long-values",
    "tracker/api-8-arguments-stay-revenue",
    "tracker/api-8-arguments-stay-revenue-to-convert",
    "tracker/api-8-arguments-stay-null-currency",
    "tracker/api-8-arguments-stay-accessors",
)
def test_arguments_stay(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-8: the argument objects are unchanged after the call and after the event was sent."""
    properties, revenue = _ARGUMENTS[evidence.case.id.partition("/api-8-arguments-stay-")[2]]
    evidence.sent = f"clickport.track('Signup {token}', {properties}, {revenue})"
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page(before=_DESCRIBE))
    thrown = pages.run(
        tab,
        f"window.given = [{properties}, {revenue}]; window.was = JSON.stringify(describe(given));"
        f"clickport.track('Signup {token}', ...given)",
    )
    at_once = tab.run("return JSON.stringify(describe(given)) === window.was")
    found = instruments.events(token)
    require_arrival(evidence, found, thrown)
    pages.let_the_page_know(tab)
    after = tab.run("return JSON.stringify(describe(given)) === window.was")
    if not (at_once and after):
        was, now = json.loads(tab.run("return window.was")), tab.run("return describe(given)")
        when = "during the call" if not at_once else "after the call"
        raise Violation(f"the caller's objects were modified {when}: {_difference(was, now)}")


def _difference(was: Any, now: Any) -> str:
    """Return a text on the first difference between two descriptions of values."""
    if not (isinstance(was, list) and isinstance(now, list)):
        return f"{was} became {now}"
    (kind, extensible, before), (other_kind, still_extensible, after) = was, now
    if (kind, extensible) != (other_kind, still_extensible):
        return f"its prototype was {kind}, extensible: {extensible}; now {other_kind}, {still_extensible}"
    names, names_now = [member[0] for member in before], [member[0] for member in after]
    if names != names_now:
        return f"its keys were {', '.join(names)}; now {', '.join(names_now)}"
    for (name, flags, value), (_, flags_now, value_now) in zip(before, after, strict=True):
        if flags != flags_now:
            return f"{name} was {flags}; now {flags_now}"
        if value != value_now:
            return f"{name}: {_difference(value, value_now)}"
    return "the same values in another order"


@scenarios("tracker/api-8-frozen-arguments")
def test_frozen_arguments(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-8: frozen objects make the same event as others, and no exception."""
    evidence.sent = (
        f"clickport.track('Signup {token}', Object.freeze({{ plan: 'pro', count: 42 }}), "
        "Object.freeze({ amount: 25 }))"
    )
    outcome = pages.call(instruments, engine, f"'use strict'; {evidence.sent}", token)
    if outcome.thrown:
        raise Violation(f"the call threw {outcome.thrown} into the page")
    require_arrival(evidence, outcome.found)
    wanted = {"mk": ["plan", "count"], "mv": ["pro", "42"], "ra": 25, "rc": "USD"}
    require_match(wanted, read_payload(outcome.found[0].body), "the payload")


@scenarios("tracker/prop-1-changed-after-the-call")
def test_properties_changed_after_the_call(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """PROP-1: values are read at the time of the call; later changes to the objects have no effect."""
    evidence.sent = (
        "const p = { plan: 'pro', count: 1, gone: 'yes', list: ['now'], inner: { toString: () => text } };"
        f" let text = 'now'; clickport.track('Signup {token}', p);"
        f" p.plan = '{_LATER}'; p.count = 2; delete p.gone; p.list[0] = '{_LATER}'; text = '{_LATER}';"
        f" p.added = '{_LATER}'"
    )
    # The text of arrays and objects is open (PROP-5); the time at which it is read is not.
    wanted = {"mk": ["plan", "count", "gone", "list", "inner"], "mv": ["pro", "1", "yes", _any(), _any()]}
    for payload in _payloads(instruments, engine, evidence, token, 1):
        require_match(wanted, payload, "the payload")
        if late := [value for value in payload["mv"] if _LATER in value]:
            raise Violation(
                f"a value was read after the call: got {late[0]!r}, expected 'now' as at the time of the call"
            )


@scenarios("tracker/rev-1-changed-after-the-call")
def test_revenue_changed_after_the_call(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """REV-1: amount and currency are read at the time of the call."""
    evidence.sent = (
        f"const r = {{ amount: 49.99, currency: 'EUR' }}; clickport.track('Purchase {token}', null, r);"
        " r.amount = 1; r.currency = 'JPY'"
    )
    for payload in _payloads(instruments, engine, evidence, token, 1):
        require_match({"ra": 49.99, "rc": "EUR"}, payload, "the payload")


@scenarios("tracker/prop-1-one-object-for-many-calls")
def test_one_object_for_many_calls(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """PROP-1: calls in one task that share an object each send its value at that call."""
    number = 20
    evidence.sent = (
        f"const p = {{}}; for (let i = 0; i < {number}; i++) {{ p.item = 'i' + i; "
        f"clickport.track('View {token}', p) }}"
    )
    payloads = _payloads(instruments, engine, evidence, token, number)
    # The number of events of each item is left to WIRE-4.
    values = sorted({str(payload.get("mv")) for payload in payloads})
    if values != sorted(str([f"i{i}"]) for i in range(number)):
        raise Violation(f"{number} calls with the items i0 to i{number - 1} in a shared object sent {values}")


def _any() -> dict[str, bool]:
    return {"$string": True}


def _payloads(
    instruments: Instruments, engine: str, evidence: Evidence, token: str, number: int
) -> list[dict[str, Any]]:
    """Run ``evidence.sent`` in a page and return the payloads of its events. Raises Violation without any."""
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page())
    thrown = pages.run(tab, evidence.sent)
    instruments.events(token, number)
    pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
    instruments.events(pages.sentinel_of(token))
    found: list[Exchange] = instruments.events(token, number, seconds=LATE_EVENT_SECONDS)
    require_arrival(evidence, found, thrown)
    return [read_payload(exchange.body) for exchange in found]
