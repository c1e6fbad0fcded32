"""The page of exits by protocol, from records: its tables, and what differs."""

import re

from benchmarks.exits_by_protocol import PAGE, TEMPLATE, render
from conformance.protocol.requirements import Lane, Level
from conformance.results.record import Run, RunInfo
from conformance.results.verdict import CaseResult, Status

_KEPT = {"of": 4, "arrived": 4, "once": 4, "kept": 4, "undelayed": 4}
_LOST = {**_KEPT, "arrived": 3, "once": 3, "kept": 2}


def _run(protocol: str, **tries: dict[str, int]) -> Run:
    return Run(
        info=RunInfo(
            target={},
            lanes=(Lane.TRACKER,),
            browsers=({"name": "firefox", "version": "140.0"},),
            options={"protocol": protocol},
            started="2026-01-02T03:04:05.000+00:00",
        ),
        results=tuple(
            CaseResult(
                id=f"tracker/deliv-2-{way}-same-origin",
                requirement="DELIV-2",
                lane=Lane.TRACKER,
                level=Level.MUST,
                status=Status.PASS,
                browser="firefox",
                tries=counts,
                seconds=1.0,
            )
            for way, counts in tries.items()
        ),
    )


def test_page() -> None:
    """A table has a column for each protocol; an exit whose cells differ is named, and no other."""
    runs = [_run("http1", href=_KEPT, link=_KEPT), _run("http2", href=_KEPT, link=_LOST)]
    page = render(runs, "{{day}}\n{{differences}}\n{{tables}}")
    assert page.splitlines()[:4] == [
        "2026-01-02",
        "- Firefox, link, same origin: HTTP/1.1 4/4; HTTP/2 2/4, arrived 3",
        "### Firefox 140.0",
        "",
    ]
    assert (
        "| way out | HTTP/1.1, same | HTTP/1.1, cross | HTTP/2, same | HTTP/2, cross |\n"
        "|---|---:|---:|---:|---:|\n"
        "| location.href | 4/4 |  | 4/4 |  |\n"
        "| link | 4/4 |  | 2/4, arrived 3 |  |\n\n"
        "- Firefox, HTTP/1.1: 8 tries: 8 arrived, 8 once, 8 kept, 8 undelayed\n"
        "- Firefox, HTTP/2: 8 tries: 7 arrived, 7 once, 6 kept, 8 undelayed"
    ) in page


def test_the_number_of_tries_is_no_difference() -> None:
    """Cells of a certificate have more tries than others; all kept is all kept."""
    certified = {**_KEPT, **dict.fromkeys(_KEPT, 50)}
    page = render([_run("http1", href=certified), _run("http2", href=_KEPT)], "{{differences}}")
    assert page == "No cell differs between the protocols of its engine."


def test_page_without_differences() -> None:
    """If all cells of an engine agree, the page says so."""
    page = render([_run("http1", href=_KEPT), _run("http2", href=_KEPT)], "{{differences}}")
    assert page == "No cell differs between the protocols of its engine."


def test_page_is_as_in_its_template() -> None:
    """docs/protocols.md is benchmarks/exits_by_protocol.md, with a day, differences and tables."""
    page, template = (path.read_text(encoding="utf-8") for path in (PAGE, TEMPLATE))
    parts = map(re.escape, re.split(r"\{\{\w+\}\}", template))
    assert re.fullmatch("(.+)".join(parts), page, re.DOTALL)
