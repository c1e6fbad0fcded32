"""Calls that make large events and bursts, and their expectations, for the tracker and pair lanes."""

import json
import re
from collections import Counter
from dataclasses import dataclass

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.drivers.expectations import require_arrival
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import LATE_EVENT_SECONDS, Instruments
from conformance.protocol.outcomes import Violation
from conformance.recorder import Exchange

_VALUE = 2000
_PROPERTIES = 30
_WIDE = "漢"
_BURST_SECONDS = 30.0


def values_of(filler: int) -> list[str]:
    """Return 30 values of ``filler`` bytes in UTF-8 together, each of at most 2,000 characters.

    Raises ValueError if 30 values cannot hold as many bytes.
    """
    values = []
    for left in range(_PROPERTIES, 0, -1):
        share = -(-filler // left)
        # ASCII up to the limit; beyond it, three-byte characters make up the exact number of bytes.
        wide = max(-(-(share - _VALUE) // 2), 0)
        size = min(share, filler)
        text = _WIDE * wide + "x" * (size - 3 * wide)
        if len(text) > _VALUE:
            raise ValueError(
                f"{left} values cannot hold {filler} bytes: the largest share is {3 * _VALUE} bytes a value"
            )
        values.append(text)
        filler -= size
    return values


def call_of(token: str, filler: int) -> str:
    """Return the call for an event of 30 properties whose values have ``filler`` bytes."""
    runs = json.dumps([[value.count(_WIDE), value.count("x")] for value in values_of(filler)])
    return (
        f"clickport.track('Order {token}', Object.fromEntries({runs}"
        f".map(([wide, plain], i) => ['k' + i, '{_WIDE}'.repeat(wide) + 'x'.repeat(plain)])))"
    )


_LARGE = {60: "x", 120: "é", 180: _WIDE, 360: "\u0001"}
"""The character that fills 30 values of 2,000 characters, by their size in JSON in KB."""


def large_values(kilobytes: int) -> tuple[str, ...]:
    """Return the 30 values of a large event."""
    return (_LARGE[kilobytes] * _VALUE,) * _PROPERTIES


def large_call(token: str, kilobytes: int) -> str:
    """Return the call for a large event: 30 properties, each value at its limit of 2,000 characters."""
    character = json.dumps(_LARGE[kilobytes])
    return (
        f"clickport.track('Order {token}', Object.fromEntries(Array.from({{ length: {_PROPERTIES} }}, "
        f"(_, i) => ['k' + i, {character}.repeat({_VALUE})])))"
    )


@dataclass(frozen=True, kw_only=True)
class KeepaliveBurst:
    """Events made in one task: their ``number``, and the ``characters`` in the properties of each."""

    number: int
    characters: int = 0

    def script(self, token: str) -> str:
        """Return the script of the calls; each name holds the token and a number."""
        notes = ", ".join(f"n{i}: 'x'.repeat({_VALUE})" for i in range(self.characters // _VALUE))
        properties = f", {{ {notes} }}" if notes else ""
        return (
            f"for (let i = 0; i < {self.number}; i++) clickport.track('Item ' + i + ' {token}'{properties})"
        )


BURSTS = {
    "ten-of-10-kb": KeepaliveBurst(number=10, characters=10_000),
    "300-small-ones": KeepaliveBurst(number=300),
}


def await_burst(instruments: Instruments, tab: Tab, token: str, burst: KeepaliveBurst) -> list[Exchange]:
    """Make a later call in the page, wait for its event, and return the requests of the burst."""
    pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
    instruments.events(pages.sentinel_of(token), seconds=_BURST_SECONDS)
    instruments.events(token, burst.number, seconds=LATE_EVENT_SECONDS)
    return instruments.events(token, 0)


def require_whole(
    instruments: Instruments,
    evidence: Evidence,
    tab: Tab,
    *,
    token: str,
    burst: KeepaliveBurst,
    thrown: str | None,
) -> None:
    """Require that each event of a burst made in the page arrived exactly once. Raises Violation."""
    found = await_burst(instruments, tab, token, burst)
    numbers = Counter(re.findall(rf"Item (\d+) {token}".encode(), b"\n".join(e.body for e in found)))
    evidence.received = {"requests": len(found), "events": len(numbers), "of": burst.number}
    if not found:
        require_arrival(evidence, found, thrown)
    if len(numbers) < burst.number:
        raise Violation(f"of {burst.number} events in one task {len(numbers)} arrived: the others are lost")
    if twice := [number.decode() for number, times in numbers.items() if times > 1]:
        raise Violation(f"{len(twice)} of {burst.number} events arrived more than once")
