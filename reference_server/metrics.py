"""Figures of ingestion for Prometheus, in its text format."""

from datetime import UTC, datetime
from pathlib import Path

from reference_server.outbox import census

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics(folder: Path) -> str:
    """What the outboxes of all worker processes hold, as seen by whichever is asked."""
    found = census(folder)
    stored = found.accepted - found.pending - found.quarantined
    lag = (datetime.now(UTC) - found.oldest).total_seconds() if found.oldest else 0.0
    figures = (
        (
            "accepted_total",
            "counter",
            "Events acknowledged since the worker processes began.",
            found.accepted,
        ),
        ("stored_total", "counter", "Events of these that ClickHouse has.", stored),
        ("pending", "gauge", "Events on disk that ClickHouse does not have yet.", found.pending),
        ("quarantined", "gauge", "Events on disk that ClickHouse refuses.", found.quarantined),
        ("lag_seconds", "gauge", "Age of the oldest pending event.", max(lag, 0.0)),
    )
    return "".join(
        f"# HELP clickport_events_{name} {text}\n# TYPE clickport_events_{name} {kind}\n"
        f"clickport_events_{name} {value:g}\n"
        for name, kind, text, value in figures
    )
