"""Whatever a server or a readback does, a run ends in time with a verdict and a plain message (WIRE-8)."""

import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.check.implementations import hostile_server, readback
from tests.check.test_tracker_kinds import only

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]

# A vector, and each way of asking that is not a vector's.
ASKED = only("wire-6-properties", "wire-7-any*", "wire-7-preflight", "wire-8-chunked*", "wire-8-body-short*")
ROWS = only("dash-4-capital*", "rev-1-cents", "rev-4-*", "prop-1-one*", "store-1-*equal*", "store-5-*")
# Kinds that bend what drawn requests are compared by: rows, amounts, texts, names.
DRAWN = ("nothing", "a huge integer", "wrong types", "ill-formed text", "names are numbers")
LONG = 100
SERVERS = {
    "never answers": "requests in a row without an answer",
    "headers byte by byte": "no whole answer within 10 s",
    "body byte by byte": "no whole answer within 10 s",
    "1xx alone": "no answer",
    "dies": "nothing answers at http://127.0.0.1",
}
READBACKS = {
    "binary": "line 1, is not a stored row",
    "never ends": "did not end within 15 s",
    "endless": "readback command",
    "brackets": "line 1, is not a stored row",
    "an empty object": "lacks 'revenue_source_amount'",
    "nothing": "the event is lost",
}


SLOW = ("headers byte by byte", "body byte by byte", "1xx alone")
# Odd, and yet an answer of 2xx.
ACCEPTING = ("10 MB", "odd bytes")


def require_verdict(run: "Ended", *codes: int) -> None:
    """Require an exit code that speaks of the target, no fault of ours, and an end in time."""
    assert run.code in (1, 3, 4, *codes), run.text
    assert "Traceback" not in run.text
    faults = [c for c in run.report["cases"] if c.get("fault") == "suite"] if run.code != 3 else []
    assert faults == [], faults
    assert run.seconds < LONG


@pytest.mark.parametrize("kind", hostile_server.KINDS)
def test_a_server_may_do_anything(check: "Check", mine: "Implementations", kind: str) -> None:
    """A server that breaks HTTP is a violation or cannot be tested, never an error of ours."""
    script = mine.copy("hostile_server.py")
    command = f"{shlex.join([sys.executable, str(script)])} {{port}} {shlex.quote(kind)}"
    drawn = only("wire-6-fuzz") if kind in ("broken gzip", "closes at once", "dies") else []
    asked = only("wire-6-properties", "wire-7-preflight") if kind in SLOW else ASKED
    run = check("--server-cmd", command, *asked, *drawn, "--max-examples", "60")
    require_verdict(run, *((0,) if kind in ACCEPTING else ()))
    assert SERVERS.get(kind, "") in run.text


@pytest.mark.parametrize("kind", readback.KINDS)
def test_a_readback_may_tell_anything(check: "Check", mine: "Implementations", kind: str) -> None:
    """A readback that tells nonsense is named, or its rows are violations; never an error of ours."""
    script = mine.copy("readback.py")
    events = mine.folder / "events.jsonl"
    command = f"{shlex.join([sys.executable, str(script), str(events)])} {shlex.quote(kind)}"
    reports = [word for name in ("html", "md", "junit") for word in ("--report", f"{name}=report.{name}")]
    drawing = (*(only("*-fuzz") if kind in DRAWN else []), "--max-examples", "20", "--shrink-seconds", "1")
    options = [*mine.server_alone(), "--readback-cmd", command, *reports, *drawing]
    run = check(*options, *ROWS)
    require_verdict(run)
    assert READBACKS.get(kind, "") in run.text
