"""The verdict of ``clickport plan check``: one result for each rule, or for each difference."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from conformance.protocol.requirements import Level, Requirement, requirements
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Status, Verdict
from conformance.site.events import Event
from conformance.site.lint import advice
from conformance.site.plan import Plan
from conformance.site.plan_check import RULES, findings, unseen
from conformance.site.report import conclude, result, rule

_WHY = "Events that differ from the plan are missing from the figures that people read."
_LINTS = ("LINT-1", "LINT-2", "LINT-3", "LINT-4", "LINT-5")


def rules() -> Mapping[str, Requirement]:
    """Return the rules of a plan by id: PLAN-1 to PLAN-8, and the advice LINT-1 to LINT-5."""
    own = {id_: rule(id_, _level(id_), what, _WHY) for id_, what in RULES.items()}
    # The registry has the advice in several lanes; here it is about one list of events.
    lints = {id_: replace(requirements()[id_], lanes=own["PLAN-1"].lanes, excluded={}) for id_ in _LINTS}
    return {**own, **lints}


def _level(id_: str) -> Level:
    return Level.SHOULD if id_ == "PLAN-8" else Level.MUST


def check(
    plan: Plan, events: Sequence[Event], *, source: str, strict: bool = False
) -> tuple[Run, Verdict, Mapping[str, Requirement]]:
    """Compare events with a plan. Without any event nothing is verified: exit code 4."""
    known = rules()
    results: list[CaseResult] = []
    if events:
        for finding in (*findings(plan, events), *unseen(plan, events)):
            text = finding.text if repr(finding.event) in finding.text else f"{finding.event}: {finding.text}"
            evidence = finding.example.to_json() if finding.example else None
            results.append(result(known[finding.rule], finding.event, Status.FAIL, text, evidence=evidence))
        for each in advice(events):
            results.append(result(known[each.rule], each.event, Status.FAIL, f"{each.event}: {each.text}"))
        failed = {each.requirement for each in results}
        results += [result(each, "", Status.PASS) for id_, each in known.items() if id_ not in failed]
    else:
        reason = f"{source} has no custom event"
        results += [result(each, "", Status.NOT_TESTABLE, reason) for each in known.values()]
    run, verdict = conclude(known, results, target={"events": source, "plan": plan.path}, strict=strict)
    return run, verdict, known
