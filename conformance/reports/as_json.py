"""The JSON report, for programs; its schema is ``fixtures/schema/report.schema.json``.

It is pure ASCII, so that no evidence (a lone surrogate, for example) makes it invalid.
"""

import json
from collections.abc import Mapping
from typing import Any

from conformance.protocol.requirements import Requirement, requirements_of
from conformance.reports import summary
from conformance.reports.text import plain
from conformance.results.record import Run
from conformance.results.redaction import masked
from conformance.results.verdict import CaseResult, RequirementResult, Verdict


def render(run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> str:  # noqa: ARG001
    """Return the JSON report. Unlike reports for people, it holds evidence in full length."""
    return json.dumps(report(run, verdict), indent=2, allow_nan=False) + "\n"


def report(run: Run, verdict: Verdict) -> dict[str, Any]:
    """Return the report as plain data."""
    headline = summary.headline(run, verdict)
    return {
        "conformant": verdict.conformant,
        "exit_code": int(verdict.exit_code),
        "verdict": headline.sentence,
        "partial": verdict.partial,
        "waived": [
            {"requirement": row.id, "lane": str(row.lane), "reason": row.waived} for row in verdict.waived
        ],
        "suite": {
            "version": run.info.version,
            "requirements": len(requirements_of(run.info.requirement_set)),
            "set": run.info.requirement_set,
        },
        "target": {kind: masked(name) for kind, name in summary.targets(run).items()},
        "run": {
            "started": run.info.started,
            "finished": run.finished,
            "interrupted": run.interrupted,
            "lanes": [str(lane) for lane in run.info.lanes],
            "browsers": [dict(browser) for browser in run.info.browsers],
            "protocol": run.info.protocol,
            "strict": run.info.strict,
            **({"unusable": [dict(each) for each in run.info.unusable]} if run.info.unusable else {}),
        },
        "summary": dict(verdict.summary),
        "requirements": [_requirement(row) for row in verdict.requirements],
        "cases": [_case(result) for result in run.results],
        **({"load": run.load} if run.load is not None else {}),
    }


def _requirement(row: RequirementResult) -> dict[str, Any]:
    reason = summary.reason(row)
    return {
        "id": row.id,
        "level": str(row.level),
        "lane": str(row.lane),
        "status": str(row.status),
        **({"reason": reason} if reason else {}),
        **({"waived": row.waived} if row.waived else {}),
        **({"selected": "none" if row.left_out else "in part"} if row.left_out or row.in_part else {}),
        "cases": list(row.cases),
    }


def _case(result: CaseResult) -> dict[str, Any]:
    return {
        "id": result.id,
        "requirement": result.requirement,
        "level": str(result.level),
        "lane": str(result.lane),
        "browser": result.browser,
        "status": str(result.status),
        "detail": result.detail,
        "sent": plain(result.sent),
        "received": plain(result.received),
        "stored": plain(result.stored),
        "repro": result.repro,
        "seconds": result.seconds,
        "fault": str(result.fault) if result.fault else None,
        **({"upcoming": True} if result.upcoming else {}),
        **({"counterexample": result.counterexample} if result.counterexample else {}),
        **({"fuzzed": result.fuzzed} if result.fuzzed else {}),
        **({"tries": result.tries} if result.tries else {}),
        **({"timeline": result.timeline} if result.timeline else {}),
    }
