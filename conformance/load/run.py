"""A load run from its options to its record."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from conformance.harness.options import Options
from conformance.harness.run_context import RunContext, prepare
from conformance.load.checks import results
from conformance.load.measure import measure
from conformance.load.plan import LoadPlan, require_local
from conformance.load.progress import LoadProgress
from conformance.load.yardsticks import compare
from conformance.protocol.requirements import Lane
from conformance.results.record import RecordWriter, Run, RunInfo, case_result, in_use, read
from conformance.results.redaction import shell_word


def load(
    options: Options,
    plan: LoadPlan,
    *,
    yardsticks: bool,
    patience: float,
    record: Path,
    progress: LoadProgress,
) -> Run:
    """Load the server that ``options`` name, write the record to the file ``record``, and return it.

    With ``yardsticks``, drive baseline servers, too, and add ratios to them. ``patience`` is the longest wait
    for a row, in seconds. Raises RemoteTarget and BadMix before anything is started, TargetUnavailable if
    there can be no verdict, OSError if the record cannot be written, and KeyboardInterrupt.
    """
    for url in options.servers:
        require_local(url, plan.allowed)
    progress.say("starting")
    with in_use(record), prepare(options) as setup:
        plan = replace(plan, envelope=setup.envelope, domain=setup.options.domain)
        with RecordWriter(record, _info(setup, plan)) as writer:
            measured = measure(setup, plan, progress, patience=patience)
            writer.canaries = {str(Lane.LOAD): measured.canary} if measured.canary else {}
            for result in results(measured, _repro(options, plan)):
                writer.add(case_result(setup.redaction.data(asdict(result))))
            figures: Mapping[str, Any] = measured.report
            if yardsticks:
                figures = {**figures, "yardsticks": compare(setup, plan, progress)}
            writer.figures(figures)
    return read(record)


def _info(setup: RunContext, plan: LoadPlan) -> RunInfo:
    info = setup.info()
    target = {kind: name for kind, name in info.target.items() if kind != "tracker"}
    # The load lane has only a SHOULD, so it has to decide the verdict.
    chosen = {**info.options, "strict": True, "load": plan.words(), "seed": plan.seed}
    return replace(info, target=target, lanes=(Lane.LOAD,), options=chosen)


def _repro(options: Options, plan: LoadPlan) -> str:
    targets = options.command_line(
        *("server_cmd", "server_app", "clickhouse", "table", "readback_url", "readback_cmd"),
        *("envelope", "domain"),
    )
    place = [shell_word("server", url) for url in options.servers]
    shape = [f"--shape {plan.shape} --rate {plan.rate:g} --for {plan.duration:g}s --seed {plan.seed}"]
    shape += [f"--users {plan.senders}"] if plan.senders else []
    shape += [f"--processes {plan.processes}"] if plan.processes > 1 else []
    shape += [f"--mix {shlex.quote(str(plan.mix))}"] if plan.mix else []
    shape += [f"--allow-host {shlex.quote(name)}" for name in plan.allowed]
    return " ".join(["clickport load", *place, *targets, *shape])
