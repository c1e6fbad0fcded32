"""The files of a results site, from its records: HTML pages, badges, and the data of all pages as JSON."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from conformance import __version__
from conformance.paths import bundled
from conformance.protocol.requirements import Lane, requirements
from conformance.reports import as_json, delivery, html, load, summary
from conformance.reports.site import model
from conformance.reports.site.badges import Badge, badge
from conformance.reports.site.publishing import MARKER
from conformance.reports.site.records import Records, RunEntry, slug
from conformance.reports.text import one_line
from conformance.results.redaction import masked

_HERE = Path(__file__).resolve().parent
_DOCS = "https://github.com/clickport/clickport-conformance/blob/main/docs/"
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'"
_RUNS_SHOWN = 12
# Evidence is in the report of the run; the data of the site would be as large as all records.
_EVIDENCE = ("sent", "received", "stored", "timeline", "repro")


def pages(records: Records) -> dict[str, str]:
    """Return the texts of the site's files by relative path."""
    return dict(_files(records))


def _files(records: Records) -> Iterator[tuple[str, str]]:
    differences = model.differences(records)
    more = {"differences": differences, "suite": ""}
    yield "index.html", _page("index.html", "index.html", records, **_overview(records), **more)
    for name, own in model.suites(records).items():
        path = f"suite/{slug(name)}/index.html"
        yield path, _page("index.html", path, records, **_overview(own), differences=(), suite=name)
    for entry in records.runs:
        yield from _run(entry, records)
    for name in records.names:
        yield from _implementation(name, records, differences)
    for each in differences:
        path = f"diff/{each.id}.html"
        yield path, _page("diff.html", path, records, difference=each, groups=_groups(each))
    loads = [
        (entry, load.figures(entry.run.load), load.missed(entry.run.load))
        for entry in reversed(records.runs)
        if entry.run.load
    ]
    if loads:
        yield "load.html", _page("loads.html", "load.html", records, loads=loads)
    if matrices := list(_matrices(records)):
        yield "delivery.html", _page("deliveries.html", "delivery.html", records, matrices=matrices)
    if records.kills:
        yield "kill.html", _page("kills.html", "kill.html", records, kills=records.kills)
    text = Markup(_published())  # noqa: S704 - a page of ours, without markup of others
    yield "published-trackers.html", _page("text.html", "published-trackers.html", records, text=text)
    yield MARKER, _data(records)


def _page(template: str, path: str, records: Records, **more: Any) -> str:
    """Return a page; links of its template begin with ``root``, so that the site works in any place."""
    style = html.own("family.css") + html.own("site/site.css")
    page = html.environment(_HERE / "templates").get_template(template)
    return page.render(
        style=style,
        policy=f"{_POLICY}; style-src '{html.digest(style)}'",
        root="../" * path.count("/"),
        symbols=html.SYMBOLS,
        slug=slug,
        marker=MARKER,
        version=__version__,
        records=records,
        here=path,
        has_load=any(entry.run.load for entry in records.runs),
        has_delivery=any(result.tries for entry in records.runs for result in entry.run.results),
        **more,
    )


def _overview(records: Records) -> dict[str, Any]:
    badges = {name: badge(model.current(records.of(name))) for name in records.names}
    return {
        "names": records.names,
        "badges": badges,
        "svgs": {name: _svg(each) for name, each in badges.items()},
        "families": model.matrix(records),
        "suites": list(model.suites(records)),
        "runs": [(entry, _headline(entry)) for entry in reversed(records.runs)],
    }


def _svg(each: Badge) -> Markup:
    return Markup(each.as_svg())  # noqa: S704 - texts are escaped by the badge


def _headline(entry: RunEntry) -> summary.Headline:
    return summary.headline(entry.run, entry.verdict)


def _run(entry: RunEntry, records: Records) -> Iterator[tuple[str, str]]:
    path = f"run/{entry.id}/index.html"
    yield f"run/{entry.id}/report.html", html.render(entry.run, entry.verdict, requirements())
    yield (
        path,
        _page(
            "run.html",
            path,
            records,
            entry=entry,
            headline=_headline(entry),
            about=[(kind, one_line(masked(text))) for kind, text in summary.targets(entry.run).items()],
            exit=summary.exit_code(entry.run, entry.verdict),
            rows=[
                (row, summary.row_word(row), summary.row_reason(row)) for row in entry.verdict.requirements
            ],
            browsers=summary.browsers(entry.run),
            matrix=delivery.matrix(entry.run, entry.verdict),
            load=html.load_section(entry.run),
        ),
    )


def _implementation(
    name: str, records: Records, differences: Sequence[model.Difference]
) -> Iterator[tuple[str, str]]:
    folder, own = f"implementation/{slug(name)}", records.of(name)
    each = badge(model.current(own))
    yield f"{folder}/badge.json", each.as_json()
    yield f"{folder}/badge.svg", each.as_svg()
    shown = own[-_RUNS_SHOWN:]
    histories = model.histories(shown)
    yield (
        f"{folder}/index.html",
        _page(
            "implementation.html",
            f"{folder}/index.html",
            records,
            name=name,
            svg=_svg(each),
            runs=[(entry, _headline(entry)) for entry in reversed(own)],
            shown=shown,
            changed=[history for history in histories if history.changed],
            steady=[(history, _steady(history)) for history in histories if not history.changed],
            differences=[d for d in differences if name in (d.before.name, d.after.name)],
        ),
    )


def _steady(history: model.History) -> tuple[str, int]:
    """Return the only outcome of a case, and the number of runs that tried it."""
    tried = [word for word in history.words if word != model.NOT_RUN]
    return tried[0], len(tried)


def _groups(difference: model.Difference) -> Mapping[str, Sequence[model.Change]]:
    groups = {"Worse": difference.worse, "Better": difference.better, "Otherwise changed": difference.other}
    return {title: changes for title, changes in groups.items() if changes}


def _matrices(records: Records) -> Iterator[tuple[Sequence[RunEntry], delivery.DeliveryMatrix]]:
    """Yield the delivery matrix of each implementation, with its latest run over each protocol."""
    for name in records.names:
        protocols = dict.fromkeys(entry.run.info.protocol for entry in records.of(name))
        latest = [
            model.current([entry for entry in records.of(name) if entry.run.info.protocol == protocol])
            for protocol in sorted(protocols)
        ]
        entries = [own[Lane.TRACKER] for own in latest if Lane.TRACKER in own]
        tried = [e for e in entries if delivery.matrix(e.run, e.verdict)]
        if matrix := delivery.combined([(entry.run, entry.verdict) for entry in tried]):
            yield tried, matrix


def _published() -> str:
    """Return docs/published-trackers.md as HTML; links to other pages lead to the documentation."""
    source = bundled("docs/published-trackers.md").read_text(encoding="utf-8")
    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(source)
    rendered = re.sub(r'href="(?![a-z]+:|#)', f'href="{_DOCS}', rendered)
    # The policy of the page allows no style attributes.
    rendered = rendered.replace('style="text-align:right"', 'class="number"')
    scroll = '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>'
    return str(rendered).replace("<table>", scroll).replace("</table>", "</table></div>")


def _data(records: Records) -> str:
    """Return the data of the site as JSON: implementations with badges, runs, kill matrices."""
    data = {
        "made_by": f"clickport {__version__}",
        "implementations": [
            {
                "name": name,
                "page": f"implementation/{slug(name)}/index.html",
                "badge": json.loads(badge(model.current(records.of(name))).as_json()),
                "current": {lane: entry.id for lane, entry in model.current(records.of(name)).items()},
                "runs": [entry.id for entry in records.of(name)],
            }
            for name in records.names
        ],
        "runs": {entry.id: {"name": entry.name, **_report(entry)} for entry in records.runs},
        "kill_matrices": [{"name": each.name, **each.matrix} for each in records.kills],
    }
    return json.dumps(data, indent=1) + "\n"


def _report(entry: RunEntry) -> dict[str, Any]:
    report = as_json.report(entry.run, entry.verdict)
    cases = [{k: v for k, v in case.items() if k not in _EVIDENCE} for case in report["cases"]]
    return {**report, "cases": cases}
