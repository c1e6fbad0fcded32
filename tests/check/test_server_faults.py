"""Each fault of a server fails its requirement, with a message that names the difference."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]

AMOUNT = "None if amount is None else _exact(amount)"
# Without drawn requests, which the sound server gets.
WRITTEN = ("--max-examples", "0")


def test_good_server_violates_nothing(check: "Check", mine: "Implementations") -> None:
    """A sound server is conformant; QUOTA-1 is not asked of a server without a usage API."""
    run = check(*mine.server())
    assert run.code == 0, run.text
    assert (run.report["conformant"], run.report["partial"]) == (True, False)
    assert "conformant: every MUST of server was verified" in run.text
    assert run.violated == set()
    musts = {r["id"]: r["status"] for r in run.report["requirements"] if r["level"] == "MUST"}
    assert {id_: status for id_, status in musts.items() if status != "pass"} == {"QUOTA-1": "not-run"}
    assert "QUOTA server MUST 0/1 1 MUST not asked" in run.text


@pytest.mark.parametrize(
    ("requirement", "fault", "said"),
    [
        pytest.param(
            "REV-1",
            (AMOUNT, AMOUNT.replace("_exact", "_single")),
            "revenue_source_amount: expected 49.99, got 49.990001",
            id="amounts of single precision",
        ),
        pytest.param(
            "STORE-1",
            (
                "            _SEEN.add(body)\n",
                "            if body in _SEEN:\n                return self._answer(202, '')\n"
                "            _SEEN.add(body)\n",
            ),
            "expected 2 rows for two equal events, got 1",
            id="equal bodies are one",
        ),
        pytest.param(
            "WIRE-6",
            (
                "            row = _row(event)\n",
                "            row = _row(event)\n            if set(event) - _DOCUMENTED:\n"
                "                raise ValueError('unknown key')\n",
            ),
            "expected 2xx, got 400",
            id="an extra key refused",
        ),
    ],
)
def test_fault_is_found(
    check: "Check", mine: "Implementations", requirement: str, fault: tuple[str, str], said: str
) -> None:
    """A fault ends the run with 1, and the console names the requirement and the difference."""
    run = check(*mine.server(*fault), "--only", requirement, "--skip", "*-verbatim-*", *WRITTEN)
    assert (run.code, run.violated) == (1, {requirement}), run.text
    assert any(said in detail for detail in run.details(requirement)), run.details(requirement)
    assert f"{requirement} MUST" in run.text


def test_folded_names_are_nothing_else(check: "Check", mine: "Implementations") -> None:
    """A server that converts names to lower case violates only STORE-1 and DASH-4."""
    folds = mine.server('"name": event["n"]', '"name": event["n"].lower()')
    run = check(*folds, "--skip", "*-verbatim-*", *WRITTEN)
    assert (run.code, run.violated) == (1, {"STORE-1", "DASH-4"}), run.text
    assert any('name: expected "Purchase' in detail for detail in run.details("DASH-4"))


def test_pair_of_tracker_and_server(check: "Check", mine: "Implementations") -> None:
    """The pair lane follows an event from the call to the row."""
    targets = ["--tracker", mine.tracker(), *mine.server(), "--lane", "pair"]
    run = check(*targets, "--only", "pair/prop-2-31-properties", "--only", "pair/deliv-2-link-cross-origin")
    assert set(run.statuses.values()) == {"pass"}, run.text
    [case] = [c for c in run.report["cases"] if c["id"] == "pair/prop-2-31-properties"]
    [row] = case["stored"]
    assert row["meta_values"] == [f"v{i}" for i in range(30)]
