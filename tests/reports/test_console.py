"""Output on the terminal, compared with the expected text."""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from conformance.protocol.requirements import Lane, Requirement
from conformance.reports import print_run
from conformance.results.record import Run
from conformance.results.verdict import Fault, Status, Verdict

Print = Callable[..., str]

GREEN = """\
Requirements 2026-1 verified (MAY: observed)
  PROP  tracker  MUST 1/1
  PROP  server   MUST 1/1  SHOULD 1/1
  REV   server   MUST 1/1
  LINT  server                         MAY 1/1

conformant: every MUST of tracker and server was verified
exit code 0 (conformant)
"""

UNTESTABLE = """\
Requirements 2026-1 verified (MAY: observed)
  PROP  server  MUST 0/1  SHOULD 0/1           1 MUST, 1 SHOULD not verified
  REV   server  MUST 0/1                       1 MUST not verified
  LINT  server                        MAY 0/1

Not verified: 2 MUSTs
  PROP-1, REV-1 (server)
    needs a readback: --clickhouse, --readback-url or --readback-cmd

no verdict: nothing was verified of 2 MUSTs
exit code 4 (inconclusive: no violation, but not all was verified)
"""

VIOLATED = """\
FAIL     tracker/prop-1-one  PROP-1 MUST  chromium
         mv[0]: expected "pro", got "free"
called   clickport.track('Play', { plan: 'pro' })
arrived  POST /api/event
         content-type: text/plain

         {"t":"e","n":"Play","mk":["plan"],"mv":["free"]}

         (answered 202)
rule     Keys turn into property names and values into property values.
repeat:  clickport check --only tracker/prop-1-one --tracker dist/t.js

FAIL     server/rev-1-cents  REV-1 MUST
         revenue_source_amount: expected "49.99", got "49.98"
sent     {"t": "e", "n": "Buy", "ra": 49.99}
answered {"status": 202}
stored   [{"type": "custom", "name": "Buy", "revenue_source_amount": "49.98"}]
rule     The amount is stored as exactly that decimal.
repeat:  clickport check --only server/rev-1-cents

ERROR    server/lint-1-twins  LINT-1 MAY  fault of the suite
         RuntimeError: the canary sang

WARN     server/prop-6-half-pair  PROP-6 SHOULD
         no row was stored
rule     Text stays well-formed.
repeat:  curl -d x

The run record has the evidence of every case; --report html=PATH lays it out.

Requirements 2026-1 verified (MAY: observed)
  PROP   tracker    MUST 0/1                       1 MUST failed
  PROP   server     MUST 1/1  SHOULD 0/1           1 SHOULD failed
  REV    server     MUST 0/1                       1 MUST failed
  LINT   server                           MAY 0/1
  QUOTA  dashboard  MUST 0/1                       1 MUST not verified

Not verified: 1 MUST
  QUOTA-1 (dashboard)
    pending: needs the dashboard lane

not conformant: 2 violations of PROP-1 and REV-1
1 case ended in an error and decided nothing.
1 warning about PROP-6, not counted in the verdict.
exit code 1 (violation)
"""


WAIVED = """\
Requirements 2026-1 verified (MAY: observed)
  PROP  tracker  MUST 1/1
  PROP  server   MUST 1/1  SHOULD 1/1
  REV   server   MUST 0/1                       1 MUST waived
  LINT  server                         MAY 1/1

conformant, with REV-1 waived: PROP-1 of tracker and server was verified
Waived: REV-1 (server): amounts are stored <elsewhere>.
Waived, but not asked for in this run: QUOTA-1.
exit code 0 (conformant)
"""

SELECTED = """\
Requirements 2026-1 verified (MAY: observed)
  PROP  tracker  MUST 1/1
  PROP  server   MUST 1/1  SHOULD 1/1
  REV   server   MUST 0/1                       1 MUST not selected
  LINT  server                         MAY 1/1

conformant in what was selected: 2 of 3 MUSTs, 1 of them in part
Of 4 cases chosen: 3 passed, 1 observed.
exit code 0 (conformant)
"""


@pytest.fixture
def printed(judged: Callable[[Run], Verdict], registry: Mapping[str, Requirement]) -> Print:
    """Return the text that is printed into a pipe."""

    def printed(run: Run, *, encoding: str = "utf-8", **options: Any) -> str:
        raw = io.BytesIO()
        console = Console(
            file=io.TextIOWrapper(raw, encoding=encoding, write_through=True),
            highlight=False,
            **{"width": 80, **options},
        )
        print_run(console, run, judged(run), registry)
        return raw.getvalue().decode(encoding)

    return printed


def test_a_conformant_run_is_ledger_and_verdict(printed: Print, green: Run) -> None:
    """A conformant run prints the ledger and the verdict only."""
    assert printed(green) == GREEN


def test_a_waiver_is_shown_with_its_reason(printed: Print, waived: Run) -> None:
    """A waiver is shown in the ledger and with the verdict; an idle one is shown, too."""
    assert printed(waived) == WAIVED


def test_a_waiver_that_fails_the_run_is_named(printed: Print, green: Run, waived: Run) -> None:
    """A waiver of a verified requirement is named as the reason for the failure, instead of a violation."""
    text = printed(replace(green, info=waived.info))
    assert "waiver: REV-1 was verified: remove its waiver\n" in text
    assert text.endswith("exit code 1 (a waiver that does not hold)\n")


def test_the_verdict_begins_with_a_selection(printed: Print, selected: Run) -> None:
    """The verdict begins with the scope of a selection, and its size."""
    assert printed(selected) == SELECTED


def test_a_warning_is_not_counted_as_failed(printed: Print, selected: Run) -> None:
    """A failing SHOULD is counted as a warning, not as failed."""
    bad = [replace(r, status=Status.FAIL) if r.requirement == "PROP-6" else r for r in selected.results]
    text = printed(replace(selected, results=tuple(bad)))
    assert "Of 4 cases chosen: 2 passed, 1 warned, 1 observed.\n" in text


def test_with_all_required_a_selection_is_inconclusive(printed: Print, selected: Run) -> None:
    """With all required, requirements that were left out make the run inconclusive."""
    text = printed(replace(selected, info=replace(selected.info, options={"require_all": True})))
    assert "conformant in everything that was verified: 1 of 3 MUSTs\n" in text
    assert "exit code 4" in text


def test_what_no_readback_could_decide_is_named_with_the_way_out(printed: Print, untestable: Run) -> None:
    """Each unverified MUST is named once, with its reason, next to the verdict."""
    assert printed(untestable) == UNTESTABLE


def test_failures_tell_call_arrival_row_and_repetition(printed: Print, violated: Run) -> None:
    """Each failure is printed separately; errors, warnings, ledger and verdict follow."""
    assert printed(violated) == VIOLATED


def test_a_lane_that_is_pending_leaves_the_rest_conformant(printed: Print, green: Run) -> None:
    """Excluded MUSTs give exit code 4, and the verdict states which part passed."""
    lanes = (*green.info.lanes, Lane.DASHBOARD)
    text = printed(replace(green, info=replace(green.info, lanes=lanes)))
    assert text.partition("Not verified")[2] == (
        ": 1 MUST\n  QUOTA-1 (dashboard)\n    pending: needs the dashboard lane\n\n"
        "conformant in everything that was verified: 3 of 4 MUSTs\n"
        "exit code 4 (inconclusive: no violation, but not all was verified)\n"
    )


def test_a_target_that_died_is_reported_once(printed: Print, green: Run) -> None:
    """The message of a target that died is printed once, however many cases it ended."""
    died = tuple(
        replace(
            r, id=f"{r.id}-{n}", status=Status.ERROR, fault=Fault.TARGET, detail="it ended with exit code -9"
        )
        for n in range(100)
        for r in green.results[1:3]
    )
    text = printed(replace(green, results=died))
    assert text.partition("Requirements 2026-1")[0] == (
        "ERROR    server/prop-1-one-0  PROP-1 MUST  fault of the target\n"
        "         it ended with exit code -9\n"
        "likewise server/prop-6-half-pair-0, server/prop-1-one-1,\n"
        "         server/prop-6-half-pair-1, server/prop-1-one-2,\n"
        "         server/prop-6-half-pair-2, server/prop-1-one-3 and 193 more\n\n"
        "The run record has the evidence of every case; --report html=PATH lays it out.\n\n"
    )
    assert text.endswith(
        "no verdict: the target could not be run, 200 cases ended in an error\nexit code 3 (could not run)\n"
    )


def test_a_fault_of_the_suite_is_no_verdict_on_the_target(printed: Print, green: Run) -> None:
    """An error of the suite is named as such, with exit code 70."""
    broken = replace(green.results[0], status=Status.ERROR, fault=Fault.SUITE, detail="ValueError: 7")
    assert printed(replace(green, results=(broken, *green.results[1:])), width=100).endswith(
        "no verdict: the suite itself failed in 1 case, which says nothing about the target\n"
        "exit code 70 (fault of the suite)\n"
    )


def test_an_interrupted_run_says_that_it_is_not_whole(printed: Print, green: Run) -> None:
    """The verdict on an interrupted run says so, although every case that ran passed."""
    text = printed(replace(green, interrupted=True, finished=""), width=100)
    assert "no violation before the run was interrupted; tracker and server not verified in full\n" in text
    assert "The run was interrupted: these are its results until then.\n" in text


def test_hundreds_of_failures_stay_readable(printed: Print, violated: Run) -> None:
    """For each requirement three failures are shown, cases with the same one are named, others counted."""
    first = violated.results[0]
    many = tuple(replace(first, id=f"tracker/prop-1-{n}", detail=f"finding {n % 10}") for n in range(300))
    text = printed(replace(violated, results=many))
    assert [line for line in text.splitlines() if line.startswith("FAIL")] == [
        f"FAIL     tracker/prop-1-{n}  PROP-1 MUST  chromium" for n in range(3)
    ]
    assert "         and 210 more cases of PROP-1\n" in text
    assert len(text.splitlines()) < 80


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_hostile_evidence_is_only_text(printed: Print, hostile: Run, encoding: str) -> None:
    """No control character, surrogate or markup reaches the terminal, in any encoding; values are cut."""
    text = printed(hostile, encoding=encoding)
    assert [c for c in text if not c.isprintable() and c != "\n"] == []
    assert r"</script><b>&\u0000\u001b[31m\ud83d[bold]```|@all\u202e]]>\ufffe" in text
    assert "(99,541 of 100,041 characters not shown)" in " ".join(text.split())
    assert len(text) < 8_000


def test_colour_is_for_terminals_and_adds_nothing_but_colour(printed: Print, violated: Run) -> None:
    """A terminal gets only the escape sequences of the suite."""
    coloured = printed(violated, force_terminal=True, color_system="standard")
    assert "\x1b[1;31m" in coloured
    assert (
        "".join(part.partition("m")[2] if n else part for n, part in enumerate(coloured.split("\x1b[")))
        == VIOLATED
    )


def test_remarks_on_passed_cases_are_shown(green: Run, printed: Print) -> None:
    """A remark about passed cases is printed once, with its requirements."""
    noted = replace(
        green, results=(replace(green.results[0], detail="counts code points"), *green.results[1:])
    )
    assert "Notes on what passed\n  PROP-1 (tracker): counts code points\n" in printed(noted)
