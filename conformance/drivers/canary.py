"""Canaries: once per lane and process, a check that has just passed gets a falsified observation.

A check that compares nothing passes everything. So the falsified observation must fail; if it passes, the
suite is at fault.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from conformance.drivers.pages import Outcome
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import SuiteFault, Violation
from conformance.readback import StoredRow


def run_canary(instruments: Instruments, evidence: Evidence, check: Callable[[], None] | None) -> None:
    """Run ``check`` on a falsified observation and require that it raises Violation.

    Does nothing without a check, or if the lane has had its canary. Raises SuiteFault if ``check``
    passes.
    """
    lane = evidence.case.lane
    if check is None or lane in instruments.canaries:
        return
    instruments.canaries.add(lane)
    kept = replace(evidence)
    try:
        check()
    except Violation:
        evidence.received, evidence.stored = kept.received, kept.stored
        evidence.canary = True
        return
    raise SuiteFault(
        f"canary: an observation that was falsified on purpose passed the check of {evidence.case.id}"
    )


def bent_outcome(outcome: Outcome, expected: dict[str, Any]) -> Outcome | None:
    """Return the outcome with the first expected member of its payload falsified, or None without one."""
    if not expected or not outcome.found:
        return None
    name = next(iter(expected))
    payload = {**json.loads(outcome.found[0].body), name: {"bent": True}}
    found = replace(outcome.found[0], body=json.dumps(payload).encode())
    return replace(outcome, found=[found, *outcome.found[1:]])


def bent_rows(rows: Sequence[StoredRow] | None, expected: dict[str, Any]) -> list[StoredRow] | None:
    """Return the rows with the first expected column of the first row falsified, or None without one."""
    if not expected or not rows:
        return None
    column = next(iter(expected))
    value: Any = {"revenue_source_amount": Decimal("-0.123456789")}.get(column, "bent")
    if column in ("meta_keys", "meta_values"):
        value = ("bent",)
    return [replace(rows[0], **{column: value}), *rows[1:]]


def bent_figure(seen: Any) -> Any:
    """Return a dashboard's figures with the first number falsified; None if they hold no number."""
    match seen:
        case bool() | str() | None:
            return None
        case int() | float():
            return seen + 1
        case dict():
            bent = bent_figure(list(seen.values()))
            return None if bent is None else dict(zip(seen, bent, strict=True))
        case list() | tuple():
            for at, member in enumerate(seen):
                if (bent := bent_figure(member)) is not None:
                    return type(seen)([*seen[:at], bent, *seen[at + 1 :]])
    return None
