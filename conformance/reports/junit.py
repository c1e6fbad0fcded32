"""JUnit XML, for CI systems: a suite for each lane, a test case for each case and browser.

JUnit has no warnings, known failures or inconclusive runs. A failing SHOULD that does not count is therefore
*skipped*, as pytest writes an expected failure (``type="pytest.xfail"``), with a message that begins with
``warning:``; a failure in the baseline is skipped with ``known:``, one of a later requirement set with
``upcoming:``; a waived requirement with ``waived:`` and
the reason. A requirement without a case is a skipped test case. The verdict is a property of each suite.
"""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from conformance.protocol.requirements import Lane, Requirement, requirements_of
from conformance.reports import summary
from conformance.reports.text import cut, one_line, show, visible
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, RequirementResult, Status, Verdict


def render(run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> str:  # noqa: ARG001
    """Return the XML document."""
    root = Element("testsuites", name="clickport")
    for lane in run.info.lanes:
        _suite(root, lane, run, verdict)
    for suite in root:
        for name, value in _properties(run, verdict):
            SubElement(suite[0], "property", name=name, value=one_line(value))
    _total(root)
    indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'


def _properties(run: Run, verdict: Verdict) -> tuple[tuple[str, str], ...]:
    return (
        ("clickport.verdict", summary.headline(run, verdict).sentence),
        ("clickport.exit_code", str(int(verdict.exit_code))),
        ("clickport.version", run.info.version),
        ("clickport.requirements", str(len(requirements_of(run.info.requirement_set)))),
        ("clickport.requirement_set", run.info.requirement_set),
    )


def _suite(root: Element, lane: Lane, run: Run, verdict: Verdict) -> None:
    suite = SubElement(root, "testsuite", name=f"clickport.{lane}", timestamp=run.info.started)
    SubElement(suite, "properties")
    own = [result for result in run.results if result.lane is lane]
    for result in own:
        excuse = "warning" if summary.is_warning(result, verdict) else ""
        excuse = "known" if summary.is_known(result, verdict) else excuse
        excuse = "upcoming" if result.upcoming else excuse
        _case(suite, result, excuse=excuse, waiver=summary.waiver_of(result, verdict))
    for row in verdict.requirements:
        if row.lane is lane and not row.cases:
            _without_case(suite, row)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    suite.set("time", f"{sum(result.seconds for result in own):.3f}")


def _total(root: Element) -> None:
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in root):.3f}")


def _case(suite: Element, result: CaseResult, *, excuse: str, waiver: str) -> None:
    browser = f" [{result.browser}]" if result.browser else ""
    case = _testcase(suite, result.requirement, f"{result.id}{browser}", result.seconds)
    described = (("requirement", result.requirement), ("level", str(result.level)), ("repro", result.repro))
    tried = tuple((f"tries.{name}", str(number)) for name, number in (result.tries or {}).items())
    _describe(case, (*described, *tried))
    message = one_line(cut(result.detail)) or summary.status_word(result.status)
    match result.status:
        case Status.FAIL | Status.ERROR if excuse:
            SubElement(case, "skipped", message=f"{excuse}: {message}", type="pytest.xfail")
            SubElement(case, "system-out").text = _evidence(result)
        case Status.FAIL:
            SubElement(case, "failure", message=message, type=str(result.level)).text = _evidence(result)
        case Status.ERROR if not excuse:
            kind = str(result.fault or "suite")
            SubElement(case, "error", message=message, type=kind).text = _evidence(result)
        case Status.NOT_TESTABLE | Status.NOT_RUN | Status.EXCLUDED:
            why = f"{summary.status_word(result.status)}: {message}"
            why = f"waived: {one_line(waiver)} ({why})" if waiver else why
            SubElement(case, "skipped", message=why)
        case Status.OBSERVED:
            SubElement(case, "system-out").text = _evidence(result)


def _without_case(suite: Element, row: RequirementResult) -> None:
    case = _testcase(suite, row.id, f"{row.lane}/{row.id}", 0)
    _describe(case, (("requirement", row.id), ("level", str(row.level))))
    message = f"{summary.row_word(row)}: {summary.row_reason(row)}"
    SubElement(case, "skipped", message=one_line(message))


def _testcase(suite: Element, requirement: str, name: str, seconds: float) -> Element:
    classname = f"{suite.get('name')}.{visible(requirement)}"
    return SubElement(suite, "testcase", classname=classname, name=one_line(name), time=f"{seconds:.3f}")


def _describe(case: Element, properties: tuple[tuple[str, str], ...]) -> None:
    parent = SubElement(case, "properties")
    for name, value in properties:
        if value:
            SubElement(parent, "property", name=name, value=visible(value))


def _evidence(result: CaseResult) -> str:
    parts = [visible(cut(result.detail))] if result.detail else []
    parts += [f"{word}:\n{show(value)}" for word, value in summary.steps(result)]
    parts += [f"repeat: {visible(result.repro)}"] if result.repro else []
    return "\n\n".join(parts)
