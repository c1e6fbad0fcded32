"""Metrics of ingestion in the text format of Prometheus."""

from datetime import UTC, datetime

from reference_server.config import Config
from reference_server.delivery.census import census
from reference_server.delivery.counters import GONE_ACCEPTED, GONE_STORED, REASONS, Counts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics(config: Config, counts: Counts) -> str:
    """Return the totals over the outboxes of all worker processes, and the counts of refused events."""
    # Read together: a removed outbox is counted in exactly one of the two.
    with counts.exclusive():
        found, gone = census(*config.outbox_dirs), counts.read()
    stored = found.stored + gone[GONE_STORED]
    lag = (datetime.now(UTC) - found.oldest).total_seconds() if found.oldest else 0.0
    figures = (
        (
            "accepted_total",
            "counter",
            "Events acknowledged since the state folder was created.",
            found.accepted + gone[GONE_ACCEPTED],
        ),
        ("stored_total", "counter", "Acknowledged events that ClickHouse has stored.", stored),
        ("pending", "gauge", "Events on disk that ClickHouse does not have yet.", found.pending),
        ("quarantined", "gauge", "Events on disk that ClickHouse refuses.", found.quarantined),
        ("lag_seconds", "gauge", "Age of the oldest pending event.", max(lag, 0.0)),
        (
            "damaged_outboxes",
            "gauge",
            "Damaged outbox files, which are kept; the log names them.",
            len(found.damaged),
        ),
        ("unreadable", "gauge", "Acknowledged events in damaged files that cannot be read.", found.lost),
    )
    lines = [
        f"{_head(name, kind, text)}clickport_events_{name} {value:.15g}\n"
        for name, kind, text, value in figures
    ]
    reasons = "; ".join(f"{reason}: {text}" for reason, text in REASONS.items())
    lines.append(_head("refused_total", "counter", f"Refused events. {reasons}."))
    for reason in REASONS:
        lines.append(f'clickport_events_refused_total{{reason="{reason}"}} {gone[reason]}\n')
    return "".join(lines)


def _head(name: str, kind: str, text: str) -> str:
    return f"# HELP clickport_events_{name} {text}\n# TYPE clickport_events_{name} {kind}\n"
