"""The figures of a load run, made by hand."""

from typing import Any


def figures(**more: Any) -> dict[str, Any]:
    """Return the figures of a load run of 3 s, with a series of every kind."""
    summary = {"p50_ms": 3.0, "p95_ms": 12.0, "p99_ms": 20.0, "max_ms": 31.0}
    counted = {"sent": 300, "acknowledged": 300, "lost": 0, "doubled": 0, "altered": 0, "stray": 0}
    return {
        "plan": "constant, 100 a second for 3 s",
        "shape": "constant",
        "rate": 100,
        "seconds": 3,
        "objective": {"p95_ms": 50.0, "met": True, "asked": False},
        "sustained": None,
        "events": counted,
        "settled_s": 0.5,
        "bytes_an_event": 120.5,
        "requests": 300,
        "errors": 0,
        "a_second": 100.0,
        "statuses": {"202": 300},
        "texts": [],
        "latency": summary,
        "service": summary,
        "visibility": summary,
        "backlog": {"max": 9, "end": 0},
        "memory_mb": {"first": 80, "last": 90, "max": 95},
        "series": {
            "step_s": 1,
            "due": [100.0, 100.0, 100.0],
            "acknowledged": [100.0, 99.0, 101.0],
            "errors": [0, 0, 0],
            **{f"p{share}_ms": [3.0, 4.0, 5.0] for share in (50, 95, 99)},
            "visible_p50_ms": [3.0, 3.0, None],
            "visible_max_ms": [9.0, 8.0, None],
            "backlog": [9, 3, 0],
            "memory_mb": [80, None, 95],
        },
        **more,
    }
