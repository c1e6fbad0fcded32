"""The pages of a site.

A page contains its first rows. While it is open it fetches itself again, and its lists from the addresses in
``data-list``. All responses are HTML, so that writing and escaping happen in one place.
"""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from reference_server.analytics.filters import Filter
from reference_server.analytics.kpis import EXACT_VISITORS
from reference_server.analytics.listings import SHOWN_CHARACTERS
from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.results import Series
from reference_server.analytics.running import TooSlow
from reference_server.analytics.series import FILTERED_METRICS, METRICS
from reference_server.analytics.site_settings import Settings
from reference_server.ingest.sites import Sites
from reference_server.web.access import AccessControl
from reference_server.web.arguments import PROPERTY, asked_filter, shown_range
from reference_server.web.dashboard import formatting, guard
from reference_server.web.dashboard.list_views import FILTER, PAGE, RANGE, add_lists, paging, query, window
from reference_server.web.dashboard.markup import FILTERS
from reference_server.web.dashboard.settings_views import add_settings

_PATIENCE_SECONDS = 1.0
# The downloads of the API, with the range and the filter of the page.
_DOWNLOADS = (
    ("events", "Events"),
    ("properties", "Properties"),
    ("values", "Values of properties"),
    ("goals", "Goals"),
    ("series", "Chart"),
    ("raw", "Raw events"),
)
# Handled by shortcuts.js.
_SHORTCUTS = (
    ("?", "This list"),
    ("/", "Search events"),
    ("g", "Goals"),
    ("e", "Events"),
    ("t", "Today"),
    ("w", "Last 7 days"),
    ("m", "Last 30 days"),
    ("y", "This year"),
    ("a", "All time"),
    ("c", "Compare with the period before, or not"),
    ("x", "Remove all filters"),
)


def dashboard(reader: Reader, settings: Settings, sites: Sites, access: AccessControl) -> Blueprint:
    """Return the pages, all under access control."""
    pages = Blueprint(
        "dashboard", __name__, template_folder="templates", static_folder="static", static_url_path="/assets"
    )
    guard.add_guard(pages, access)

    for name, filter_ in FILTERS.items():
        pages.add_app_template_filter(filter_, name)

    @pages.url_value_preprocessor
    def _known(_endpoint: str | None, values: dict[str, str] | None) -> None:
        site = (values or {}).get("site")
        if site is None:
            return
        found = sites.find([site])
        if found is None:
            abort(404, f"{site[:100]} is not a site of this server.")
        if found != site:  # For example www.Example.com, which is example.com.
            # url_for quotes the name: one with a backslash must not lead to another host.
            abort(redirect(url_for(request.endpoint or "", **{**(request.view_args or {}), "site": found})))

    @pages.get("/")
    def home() -> str:
        search, offset = request.args.get("search", ""), window(PAGE)["offset"]
        found = reader.sites(search, limit=PAGE + 1, offset=offset)
        return render_template(
            "sites.html",
            sites=found[:PAGE],
            search=search,
            offset=offset,
            following=offset + PAGE if len(found) > PAGE else None,
            preceding=max(0, offset - PAGE) if offset else None,
        )

    @pages.get("/<site>")
    def overview(site: str) -> str:
        range_, by = shown_range(reader, site), asked_filter(reader, site)
        metric = _metric(by)
        panels = _within_a_second(site, range_, metric, by)
        return render_template(
            "overview.html",
            site=site,
            range=range_,
            query=query(),
            export=urlencode(query(), doseq=True),
            downloads=_DOWNLOADS,
            chips=_chips(by),
            unfiltered={name: value for name, value in query().items() if name in RANGE},
            periods=formatting.PERIODS,
            metrics=_metrics(by, goals=bool(panels["goals"])),
            metric=metric,
            compared=_compared(),
            shortcuts=_SHORTCUTS,
            steps=formatting.steps(panels["series"], panels["previous"], range_),
            exact_visitors=EXACT_VISITORS,
            **panels,
            **({} if "part" in request.args else {"advice": reader.advice(site, range_)}),
        )

    def _within_a_second(site: str, range_: Range, metric: str, by: Filter) -> dict[str, Any]:
        """Return what the panels show, or empty panels if that takes long and a script can wait for it."""

        def read() -> dict[str, Any]:
            return reader.consistent(site, range_, lambda: _panels(site, range_, metric, by))

        if not by.properties or "part" in request.args:
            return read()
        try:
            with reader.limited(_PATIENCE_SECONDS):
                return read()
        except TooSlow:
            series = Series(metric=metric, interval=range_.interval, points=())
            empty = {"kpis": (), "series": series, "previous": None, "goals": (), "trends": {}, "revenue": ()}
            return {**empty, "usage": reader.usage(site), "late": True}

    def _panels(site: str, range_: Range, metric: str, by: Filter) -> dict[str, Any]:
        """Return what the panels of a page show; ``part=top`` leaves the list of events out."""
        before = range_.previous(whole=True) if _compared() else None
        goals = reader.goals(site, range_, by)
        panels = {
            "kpis": reader.kpis(site, range_, by),
            "series": reader.series(site, range_, metric, by),
            "previous": reader.series(site, before, metric, by) if before else None,
            "goals": goals,
            "trends": reader.trends(site, range_, [goal.event_name for goal in goals], by) if goals else {},
            "revenue": reader.revenue(site, range_, by) if by else (),
            "usage": reader.usage(site),
        }
        if request.args.get("part") == "top":
            return panels
        events = reader.events(site, range_, visitors=False, shown=SHOWN_CHARACTERS, by=by, **window(PAGE))
        return {**panels, "events": events, **paging(PAGE)}

    @pages.get("/<site>/live")
    def live(site: str) -> str:
        return render_template("live.html", site=site, timezone=settings.last_timezone(site))

    @pages.get("/favicon.ico")
    def icon() -> AnyResponse:
        return redirect(url_for("dashboard.static", filename="icon.svg"))

    add_lists(pages, reader)
    add_settings(pages, reader, settings)
    return pages


def _chips(by: Filter) -> list[dict[str, Any]]:
    """Return the conditions of the filter, each with the query parameters of the page without it."""
    kept, chips = query(), []
    if by.event is not None:
        rest = {name: values for name, values in kept.items() if name not in FILTER}
        chips.append({"kind": "Event", "text": by.event, "rest": rest})
    for key, value in by.properties:
        name = f"{PROPERTY}{key}"
        rest = {**kept, name: [each for each in kept[name] if each != value]}
        chips.append({"kind": key, "text": value, "rest": rest})
    return chips


def _metric(by: Filter) -> str:
    """Return the metric that the chart shows."""
    known = FILTERED_METRICS if by else METRICS
    metric = request.args.get("metric", "events" if by else "visitors")
    if metric not in METRICS:
        abort(400, f"metric must be one of {', '.join(METRICS)} (got {metric[:100]!r}).")
    return metric if metric in known else "events"


def _metrics(by: Filter, *, goals: bool) -> tuple[str, ...]:
    """Return the metrics that can be chosen."""
    if by:
        return FILTERED_METRICS
    return tuple(each for each in METRICS if goals or each not in ("conversions", "conversion_rate"))


def _compared() -> bool:
    return request.args.get("compare") != "off"
