"""Measure the lanes of ``clickport check`` beside the bare costs of what they need; print a Markdown table.

    python -m benchmarks.check_limits --rounds 3

A lane cannot be faster than its limit: a page for each case that needs its own, a keepalive request for each
case, and in the lanes that read rows an INSERT for each. The costs are measured before each round, on the
same machine, and the medians of the rounds are shown. Searches by drawn examples are left out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import httpx

from benchmarks.commands import run_clickport
from conformance.browsers import installed, start
from conformance.browsers.base import Browser
from conformance.protocol.cases import catalogue
from conformance.protocol.requirements import Lane
from conformance.recorder import Recorder
from conformance.targets.server import reference_clickhouse

_PAGES, _REQUESTS, _INSERTS = 20, 200, 100
_PAGE = b"<!doctype html><meta charset=utf-8><title>page</title>"
_CALL = "for (let i = 0; i < %d; i++) fetch('%s/api/event', { method: 'POST', keepalive: true, body: '%s' })"
# So few that a browser's keepalive budget (64 KiB) is never exhausted.
_AT_ONCE = 25


def seconds_of(do: Callable[[], object], times: int) -> float:
    """Return the seconds of one of ``times`` uses."""
    began = time.perf_counter()
    do()
    return (time.perf_counter() - began) / times


def page_and_request(browser: Browser, recorder: Recorder) -> tuple[float, float]:
    """Return the seconds that an empty page takes to load, and a keepalive request to be answered."""
    tab = browser.tab()
    url = f"{recorder.page_origin}/page/bare"
    tab.goto(url)

    def load() -> None:
        for _ in range(_PAGES):
            tab.goto(url)

    def send() -> None:
        for sent in range(_AT_ONCE, _REQUESTS + 1, _AT_ONCE):
            tab.run(_CALL % (_AT_ONCE, recorder.endpoint_origin, "bare"))
            recorder.wait(sent, token="bare", method="POST", answered=True)  # noqa: S106 - not a password
        recorder.forget()

    return seconds_of(load, _PAGES), seconds_of(send, _REQUESTS)


def insert(clickhouse: str) -> float:
    """Return the seconds of an INSERT of one row."""
    with httpx.Client(trust_env=False) as client:

        def run(sql: str) -> None:
            client.post(clickhouse, content=sql).raise_for_status()

        run("CREATE TABLE IF NOT EXISTS bare (name String) ENGINE = MergeTree ORDER BY name")

        def store() -> None:
            for number in range(_INSERTS):
                run(f"INSERT INTO bare VALUES ('{number}')")  # noqa: S608 - a number

        return seconds_of(store, _INSERTS)


def limit(lane: Lane, page: float, request: float, row: float) -> float:
    """Return the least seconds that a lane's cases need, without the drawn ones."""
    cases = [case for case in catalogue() if case.lane is lane and not case.drawn]
    own_page = [case for case in cases if not case.vector.get("together")]
    pages = len(own_page) * page if lane in (Lane.TRACKER, Lane.PAIR) else 0
    rows = len(cases) * row if lane in (Lane.SERVER, Lane.PAIR) else 0
    return pages + len(cases) * request + rows


def measured(lane: Lane, engine: str, folder: Path) -> float:
    """Return the seconds of a lane's cases from the first to the last, without the start of the targets."""
    record = folder / "run.jsonl"
    words = ["check", "--lane", lane, "--browser", engine, "--max-examples", "0", "--run-record", str(record)]
    done = run_clickport(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = [json.loads(line) for line in record.read_text("utf-8").splitlines()] if record.exists() else []
    if done.returncode not in (0, 4):
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr[-800:]}")
    seconds: float = sum(line["seconds"] for line in lines if line["kind"] == "case")
    return seconds


def rounds(number: int) -> Iterator[dict[str, tuple[float, float]]]:
    """Yield, for each round, the limit and the seconds of each lane in each browser."""
    for _ in range(number):
        found: dict[str, tuple[float, float]] = {}
        with (
            tempfile.TemporaryDirectory() as folder,
            Recorder() as recorder,
            reference_clickhouse() as clickhouse,
        ):
            recorder.mount("/page/bare", _PAGE, "text/html")
            row = insert(clickhouse)
            for engine in installed():
                with start(engine) as browser:
                    page, request = page_and_request(browser, recorder)
                sys.stderr.write(
                    f"{engine.name}: page {page * 1e3:.1f} ms, request {request * 1e3:.2f} ms, "
                    f"row {row * 1e3:.2f} ms\n"
                )
                for lane in (Lane.TRACKER, Lane.PAIR):
                    seconds = measured(lane, engine.name, Path(folder))
                    found[f"{lane}, {engine.name}"] = limit(lane, page, request, row), seconds
            seconds = measured(Lane.SERVER, installed()[0].name, Path(folder))
            found["server"] = limit(Lane.SERVER, 0, 0, row), seconds
        yield found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the lanes beside the bare costs of their parts.")
    parser.add_argument("--rounds", type=int, default=3)
    all_ = list(rounds(parser.parse_args().rounds))
    sys.stdout.write(
        "| lane | limit | seconds of its cases | multiple of the limit |\n|---|---:|---:|---:|\n"
    )
    for name in all_[0]:
        bare, took = (median(each[name][at] for each in all_) for at in (0, 1))
        ratio = median(each[name][1] / each[name][0] for each in all_)
        sys.stdout.write(f"| {name} | {bare:.1f} s | {took:.1f} s | {ratio:.1f} |\n")


if __name__ == "__main__":
    main()
