"""Waivers: requirements that cannot be verified of a target, each with the reason; the run can be green.

They are strict: a waiver of a requirement that was verified after all, or that fails, fails the run. A known
failure belongs into a baseline (``baseline.py``), never into a waiver.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.protocol.requirements import Level, requirements

FORM = 'write QUOTA-1="no usage API"'


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A requirement that need not be verified, in whichever lane it could not be, and the reason."""

    requirement: str
    reason: str


class BadWaiver(ValueError):
    """A waiver that cannot be meant; the text names it, what is wrong with it, and the way out."""


def parse(texts: Iterable[str]) -> tuple[Waiver, ...]:
    """Return the waivers that texts such as ``QUOTA-1=no usage API`` say. Raises BadWaiver."""
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
        raise BadWaiver(f"{id_} is a MAY, which never holds a verdict back: it needs no waiver")
    return Waiver(requirement=id_, reason=" ".join(reason.split()))


def _require_once(waivers: Sequence[Waiver]) -> None:
    ids = [waiver.requirement for waiver in waivers]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise BadWaiver(f"{id_} is waived more than once: keep one of the reasons")
