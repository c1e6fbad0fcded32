"""The figures and yardsticks of a load run as text, shared by all reports."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.reports.text import one_line

_WRONG = ("lost", "doubled", "altered", "stray")


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """A row of the comparison, as text: answers (for ClickHouse, rows) a second, and target / this."""

    name: str
    probe: str
    ratio: str
    locust: str
    locust_ratio: str


def figures(load: Mapping[str, Any]) -> dict[str, str]:
    """Return the figures of a load run as text, by topic."""
    return dict(_figures(load))


def missed(load: Mapping[str, Any]) -> frozenset[str]:
    """Return the topics of ``figures`` that show a fault: events, objective, sustained."""
    events, held = load["events"] or {}, load["sustained"]
    faults = {
        "answers": bool(load["errors"]),
        "events": any(events.get(kind) for kind in _WRONG),
        "objective": not load["objective"]["met"],
        "sustained": bool(held and not held["met"]),
    }
    return frozenset(topic for topic, wrong in faults.items() if wrong)


def measured(load: Mapping[str, Any]) -> str:
    """Return what was measured for the objective, and the objective, in a sentence's words."""
    seen, goal = load["sustained"] or load["latency"], load["objective"]["p95_ms"]
    errors = f"{load['errors']:,} errors in {load['requests']:,} requests"
    return f"p95 {duration(seen['p95_ms'])} and {errors}, for {duration(goal)} and one in a thousand at most"


def _figures(load: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "load", one_line(load["plan"])
    yield "answers", f"{load['requests']:,} requests, {load['a_second']:,} a second, {_errors(load)}"
    yield "latency", f"{_summary(load['latency'])}, from when each was due"
    if load["events"]:
        yield "events", _events(load["events"])
    if load["visibility"]["p50_ms"] is not None:
        yield "visible", f"{_summary(load['visibility'])} after the acknowledgement, at most"
    if load["backlog"]:
        backlog = load["backlog"]
        yield "backlog", f"{backlog['max']:,.0f} events at most, {backlog['end']:,.0f} at the end"
    if load["memory_mb"]:
        memory = load["memory_mb"]
        yield "memory", f"{memory['first']:,.0f} MB at first, {memory['max']:,.0f} MB at most"
    if load["bytes_an_event"]:
        yield "on disk", f"{load['bytes_an_event']:,.0f} bytes an event"
    objective = load["objective"]
    met = "met" if objective["met"] else "missed"
    yield "objective", f"p95 of {duration(objective['p95_ms'])} and one error in a thousand at most: {met}"
    if held := load["sustained"]:
        word = "held" if held["met"] else "not held"
        rate = f"{held['rate']:,} a second for {held['seconds']} s, p95 {duration(held['p95_ms'])}"
        yield "sustained", f"{rate}: {word}"
    for text in load["texts"]:
        yield "such as", one_line(text)


def _errors(load: Mapping[str, Any]) -> str:
    number = load["errors"]
    if not number:
        return "none but the expected answers"
    return f"{number:,} unexpected ({', '.join(f'{n:,} × {s}' for s, n in load['statuses'].items())})"


def _events(events: Mapping[str, Any]) -> str:
    wrong = [f"{events[kind]:,} {kind}" for kind in _WRONG if events[kind]]
    good = "each stored once, as it was sent"
    return f"{events['acknowledged']:,} of {events['sent']:,} acknowledged: {', '.join(wrong) or good}"


def _summary(quantiles: Mapping[str, float | None]) -> str:
    names = ("p50", "p95", "p99", "max")
    return ", ".join(f"{name} {duration(quantiles[f'{name}_ms'])}" for name in names)


def duration(milliseconds: float | None) -> str:
    """Return a duration as text, such as ``0.35 ms``, ``12 ms`` or ``1.2 s``; ``–`` for None."""
    if milliseconds is None:
        return "–"
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.2g} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def yardsticks(load: Mapping[str, Any]) -> tuple[tuple[Yardstick, ...], tuple[str, ...]]:
    """Return the rows of the comparison, the target first, and remarks; both empty without yardsticks."""
    comparison = load.get("yardsticks")
    if not comparison:
        return (), ()
    target, alone = comparison["target"], comparison["clickhouse_alone"]
    rows = [
        Yardstick(
            name=one_line(target["name"]),
            probe=_rate(target["probe_a_second"]),
            ratio="",
            locust=_rate(target["locust_a_second"]),
            locust_ratio="",
        ),
        *(
            Yardstick(
                name=row["name"],
                probe=_rate(row["probe_a_second"]),
                ratio=_times(row["ratio"]),
                locust=_rate(row["locust_a_second"]),
                locust_ratio=_times(row["locust_ratio"]),
            )
            for row in comparison["yardsticks"]
        ),
        Yardstick(
            name="ClickHouse alone, prepared Native blocks (rows)",
            probe=_rate(alone["rows_a_second"]),
            ratio=_times(alone["ratio"]),
            locust="",
            locust_ratio="",
        ),
    ]
    return tuple(rows), tuple(_remarks(comparison, target))


def _remarks(comparison: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"Probe: {one_line(comparison['probe'])} with {comparison['connections']} connections, each "
        f"waiting for its answer; medians of {comparison['rounds']} rounds of {comparison['seconds']:g} s, "
        "in each of which the servers take turns."
    )
    spans = (f"{row['name']} {_span(row['ratios'])}" for row in comparison["yardsticks"])
    yield f"Range of the rounds' ratios: {'; '.join(spans)}."
    limit = (
        "Locust is the limit of its column" if comparison["locust_is_the_limit"] else "the target takes less"
    )
    yield (
        f"Locust sends at most {_rate(comparison['locust_at_most'])} requests a second, measured with the "
        f"empty callable: {limit}."
    )
    if "stored" in target:
        yield (
            f"{target['acknowledged']:,} events of the probe were acknowledged and {target['stored']:,} "
            "stored (including requests in flight when it ended), the last of them "
            f"{target['stored_after_s']} s after it ended: {_rate(target['durable_a_second'])} a second from "
            "the first request to the last row. The ratio to ClickHouse alone uses this rate."
        )


def _rate(number: float) -> str:
    return f"{number:,.0f}"


def _span(ratios: Sequence[float | None]) -> str:
    known = [ratio for ratio in ratios if ratio is not None]
    return f"{min(known):g} to {max(known):g} ×" if known else "unknown"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:g} ×"
