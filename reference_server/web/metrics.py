"""Figures of ingestion for Prometheus, in its text format."""

from datetime import UTC, datetime

from reference_server.config import Config
from reference_server.delivery.census import census
from reference_server.delivery.counters import GONE_ACCEPTED, GONE_STORED, REASONS, Counts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics(config: Config, counts: Counts) -> str:
    """Return what the outboxes of all worker processes hold, and what was refused; any of them can tell."""
    # Together: an outbox that goes is in one of them, never in both or in none.
    with counts.exclusive():
        found, gone = census(config.outbox_dir), counts.read()
    stored = found.stored + gone[GONE_STORED]
    lag = (datetime.now(UTC) - found.oldest).total_seconds() if found.oldest else 0.0
    figures = (
        (
            "accepted_total",
            "counter",
            "Events acknowledged since the state folder was made.",
            found.accepted + gone[GONE_ACCEPTED],
        ),
        ("stored_total", "counter", "Events of these that ClickHouse has.", stored),
        ("pending", "gauge", "Events on disk that ClickHouse does not have yet.", found.pending),
        ("quarantined", "gauge", "Events on disk that ClickHouse refuses.", found.quarantined),
        ("lag_seconds", "gauge", "Age of the oldest pending event.", max(lag, 0.0)),
        (
            "damaged_outboxes",
            "gauge",
            "Files of outboxes that cannot be read; they are kept, and the log names them.",
            len(found.damaged),
        ),
        ("unreadable", "gauge", "Acknowledged events in these files that cannot be read.", found.lost),
    )
    lines = [
        f"{_head(name, kind, text)}clickport_events_{name} {value:.15g}\n"
        for name, kind, text, value in figures
    ]
    reasons = "; ".join(f"{reason}: {text}" for reason, text in REASONS.items())
    lines.append(_head("refused_total", "counter", f"Events that were turned away. {reasons}."))
    for reason in REASONS:
        lines.append(f'clickport_events_refused_total{{reason="{reason}"}} {gone[reason]}\n')
    return "".join(lines)


def _head(name: str, kind: str, text: str) -> str:
    return f"# HELP clickport_events_{name} {text}\n# TYPE clickport_events_{name} {kind}\n"
