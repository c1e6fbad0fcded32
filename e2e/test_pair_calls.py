"""Calls in a page and the rows that they leave: tracker and server together."""

from functools import partial

from conformance.drivers.canary import bent_rows, run_canary
from conformance.drivers.exits import leave
from conformance.drivers.expectations import require_row
from conformance.drivers.markers import scenarios, vectors
from conformance.drivers.pages import use_page
from conformance.drivers.pairs import Called, call_alone, call_vectors, joined, require_rows_of
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import Violation
from conformance.protocol.requirements import Lane


@vectors(Lane.PAIR)
def test_call_leaves_row(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """Each vector's call leaves the row that the vector specifies."""
    case, called = evidence.case, instruments.once(call_vectors, engine)
    if case.vector.get("together") and any(called.found.values()) and not _is_right(evidence, token, called):
        # In a page of its own, as `--only` repeats it, before anything is blamed.
        token = instruments.setup.token(f"{case.id} alone", engine)
        called = call_alone(instruments, engine, case, token)
    evidence.sent = case.vector["call"].replace("{token}", token)
    evidence.wire(called.found[token])
    require_row(evidence, token, called.rows[token])
    bent = bent_rows(called.rows[token], case.vector["row"])
    run_canary(instruments, evidence, partial(require_row, evidence, token, bent) if bent else None)


def _is_right(evidence: Evidence, token: str, called: Called) -> bool:
    try:
        require_row(evidence, token, called.rows[token])
    except Violation:
        return False
    return True


@scenarios("pair/api-4-inline-onclick", "pair/api-4-submit-listener", "pair/api-4-window-property")
def test_handler_leaves_row(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-4: a handler of the documented kind leaves a row."""
    with joined(instruments):
        use_page(instruments, engine, evidence, token)
        require_rows_of(instruments, engine, evidence, token)


@scenarios(
    "pair/deliv-2-href-same-origin",
    "pair/deliv-2-href-cross-origin",
    "pair/deliv-2-link-same-origin",
    "pair/deliv-2-link-cross-origin",
    "pair/deliv-2-form-same-origin",
    "pair/deliv-2-form-cross-origin",
)
def test_exit_leaves_row(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-2: an event sent in the task that leaves its page is stored as a row."""
    with joined(instruments):
        leave(instruments, engine, evidence, token, evidence.case.id.partition("/deliv-2-")[2])
        require_rows_of(instruments, engine, evidence, token)
