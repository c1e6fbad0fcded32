"""Conversion of a counterexample to a vector: the input, and the result that its requirement expects."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from conformance.paths import bundled
from conformance.protocol.cases import catalogue
from conformance.protocol.requirement_sets import next_set
from conformance.results.counterexamples import Counterexample
from conformance.search import model
from conformance.search.bodies import Body, Meaning
from conformance.search.calls import Call
from conformance.search.executors import example_of
from conformance.search.model import Entry

_FOLDERS = {Call: "track", Body: "ingest"}


def vector(kept: Counterexample, *, why: str, slug: str | None) -> dict[str, Any]:
    """Return the vector of a counterexample, upcoming like every new check.

    Raises ValueError if its id is taken.
    """
    requirement, _, number = kept.id.partition("#")
    id_ = f"{requirement.lower()}-{slug or number}"
    if id_ in {case.id.partition("/")[2] for case in catalogue()}:
        raise ValueError(f"the case {id_!r} exists already: choose another --slug")
    example = example_of(kept.lane, kept.example)
    head = {"id": id_, "requirement": requirement, "since": next_set()}
    if isinstance(example, Call):
        payload, row = _of_call(example, requirement)
        lanes = [lane for lane in ("tracker", "pair") if lane in _lanes_of(kept)]
        call = example.source("{token}")
        return {**head, "lanes": lanes, "why": why, "call": call, "payload": payload, "row": row}
    return {
        **head,
        "lanes": ["server"],
        "why": why,
        "request": example.to_json(),
        **_of_body(example, requirement),
    }


def append(made: dict[str, Any], kept: Counterexample, into: Path | None) -> Path:
    """Append a vector to a file, and its ids to ``fixtures/released.txt``; return the file's path.

    ``into`` names another file and leaves ``released.txt`` alone. Raises ValueError if the file holds no
    vectors, or if there is no source tree and no ``into``.
    """
    folder = _FOLDERS[type(example_of(kept.lane, kept.example))]
    vectors = bundled("fixtures/vectors")
    if into is None and not (vectors.parents[1] / "pyproject.toml").exists():
        raise ValueError("the installed package has no source tree to write to: name a file with --into")
    path = into or vectors / folder / f"{made['requirement'].partition('-')[0].lower()}.json"
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in made.items()]
    text = "{" + ",\n".join(lines).lstrip() + "}"
    text = "".join(c if not "\ud800" <= c <= "\udfff" else json.dumps(c)[1:-1] for c in text)
    if path.exists():
        before, closing, _ = path.read_text(encoding="utf-8").rpartition("\n]}")
        if not closing:
            raise ValueError(f"{path} holds no list of vectors: name another file with --into")
        path.write_text(f"{before.rstrip()},\n\n{text}\n\n]}}\n", encoding="utf-8")
    else:
        path.write_text(f'{{"vectors": [\n\n{text}\n\n]}}\n', encoding="utf-8")
    if into is None:
        released = vectors.parent / "released.txt"
        ids = {
            *released.read_text(encoding="utf-8").split(),
            *(f"{lane}/{made['id']}" for lane in made["lanes"]),
        }
        released.write_text("\n".join(sorted(ids)) + "\n", encoding="utf-8")
    return path


def _lanes_of(kept: Counterexample) -> set[str]:
    requirement = kept.id.partition("#")[0]
    return {str(case.lane) for case in catalogue() if case.requirement == requirement}


def _of_call(call: Call, requirement: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the payload and row expected of a call, limited to what the requirement is about."""
    family = requirement.partition("-")[0]
    if family == "PROP" and (columns := _columns(call.entries)):
        keys, values = columns
        return {"mk": keys, "mv": values}, {"meta_keys": keys, "meta_values": values}
    if family == "REV":
        return _money(call.amount if call.revenue else None, call.currency, given=call.revenue is not None)
    name = model.repaired(call.name)
    return {"n": name}, {"name": name}


def _of_body(body: Body, requirement: str) -> dict[str, Any]:
    if body.meaning is Meaning.NO_EVENT:
        return {"status": "4xx", "rows": []}
    if body.meaning is Meaning.OPEN:
        return {"status": "4xx-or-2xx"}
    row: dict[str, Any] = {"name": model.repaired(body.members["n"])}
    if requirement.startswith("PROP") and (columns := _columns(body.entries)):
        row = {"meta_keys": columns[0], "meta_values": columns[1]}
    if requirement.startswith("REV"):
        given = "ra" in body.members or "rc" in body.members
        row = _money(body.amount, body.currency, given=given)[1] or row
    return {"status": "4xx-or-2xx" if body.hostile else "2xx", "rows": [row]}


def _columns(entries: Sequence[Entry] | None) -> tuple[list[Any], list[Any]] | None:
    """Return keys and values in the syntax of vectors; None if it is open which properties there are."""
    if entries is None or any(entry.optional or entry.key is None for entry in entries):
        return None
    kept = entries[: model.PROPERTY_LIMIT]
    return [entry.key for entry in kept], [_matcher(entry) for entry in kept]


def _matcher(entry: Entry) -> Any:
    if entry.texts is None:
        return {"$string": True}
    texts = sorted(entry.texts)
    return texts[0] if len(texts) == 1 else {"$any": texts}


def _money(
    amount: Decimal | None, currency: str | None, *, given: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    if not given or amount is None:
        return {"ra": {"$absent": True}}, {"revenue_source_amount": {"$empty": True}}
    if currency is None:
        return {}, {}
    number = int(amount) if amount == amount.to_integral_value() else float(amount)
    wire = {"ra": number, "rc": currency}
    return wire, {"revenue_source_amount": f"{amount:f}", "revenue_source_currency": currency}
