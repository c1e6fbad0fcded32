"""Waivers: requirements that cannot be verified for a target and are excused, each with a reason.

They are strict: a waiver fails the run if its requirement was verified or fails. Known failures belong in a
baseline (``baseline.py``).
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.protocol.requirements import Level, requirements

FORM = 'write QUOTA-1="no usage API"'


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A requirement that is excused in each lane in which it could not be verified, and the reason."""

    requirement: str
    reason: str


class BadWaiver(ValueError):
    """An invalid waiver; the message names it, its fault and the way out."""


def parse(texts: Iterable[str]) -> tuple[Waiver, ...]:
    """Parse waivers such as ``QUOTA-1=no usage API``.

    Raises BadWaiver for an unknown requirement, a missing reason, a MAY or a repeated requirement.
    """
    waivers = tuple(map(_waiver, texts))
    _require_once(waivers)
    return waivers


def _waiver(text: str) -> Waiver:
    name, _, reason = text.partition("=")
    id_ = name.strip().upper()
    if id_ not in requirements():
        near = difflib.get_close_matches(id_, requirements(), n=1)
        hint = f"did you mean {near[0]}?" if near else "`clickport list` shows every id"
        raise BadWaiver(f"there is no requirement {name.strip()!r}: {hint}")
    if not reason.strip():
        raise BadWaiver(f"{id_} has no reason: {FORM}")
    if requirements()[id_].level is Level.MAY:
        raise BadWaiver(f"{id_} is a MAY, which the verdict does not depend on: it needs no waiver")
    return Waiver(requirement=id_, reason=" ".join(reason.split()))


def _require_once(waivers: Sequence[Waiver]) -> None:
    ids = [waiver.requirement for waiver in waivers]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise BadWaiver(f"{id_} is waived more than once: keep one of the reasons")
