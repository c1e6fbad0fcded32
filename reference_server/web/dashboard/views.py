"""The pages of a site and the lists inside them.

A page contains its first rows. While it is open it fetches itself again, and its lists from the addresses in
``data-list``. All responses are HTML, so that writing and escaping happen in one place.
"""

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from reference_server.analytics.kpis import EXACT_VISITORS
from reference_server.analytics.listings import SHOWN_CHARACTERS
from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.site_settings import Settings
from reference_server.ingest.sites import Sites
from reference_server.web.access import AccessControl
from reference_server.web.arguments import asked_range
from reference_server.web.dashboard import formatting, guard
from reference_server.web.dashboard.markup import FILTERS
from reference_server.web.dashboard.settings_views import add_settings

PAGE = 100
"""Rows of a list per request."""

_MOST = 1000
_FIRST = 10
_METRICS = {
    "visitors": "Visitors",
    "pageviews": "Pageviews",
    "events": "Events",
    "conversions": "Conversions",
}


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
        search, offset = request.args.get("search", ""), _window(PAGE)["offset"]
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
        range_ = asked_range(reader, site)
        metric = request.args.get("metric", "visitors")
        if metric not in _METRICS:
            abort(400, f"metric must be one of {', '.join(_METRICS)} (got {metric[:100]!r}).")
        panels = reader.consistent(site, range_, lambda: _panels(site, range_, metric))
        return render_template(
            "overview.html",
            site=site,
            range=range_,
            query=_query(),
            periods=formatting.PERIODS,
            metrics={key: name for key, name in _METRICS.items() if panels["goals"] or key != "conversions"},
            metric=metric,
            steps=formatting.steps(panels["series"], range_),
            exact_visitors=EXACT_VISITORS,
            **panels,
            **({} if "part" in request.args else {"advice": reader.advice(site, range_)}),
        )

    def _panels(site: str, range_: Range, metric: str) -> dict[str, Any]:
        """Return what the panels of a page show; ``part=top`` leaves the list of events out."""
        panels = {
            "kpis": reader.kpis(site, range_),
            "series": reader.series(site, range_, metric),
            "goals": reader.goals(site, range_),
            "usage": reader.usage(site),
        }
        if request.args.get("part") == "top":
            return panels
        events = reader.events(site, range_, visitors=False, shown=SHOWN_CHARACTERS, **_window(PAGE))
        return {**panels, "events": events, **_paging(PAGE)}

    @pages.get("/<site>/events")
    def events(site: str) -> str:
        range_ = asked_range(reader, site)
        page = reader.events(site, range_, visitors=False, shown=SHOWN_CHARACTERS, **_window(PAGE))
        return render_template("events.html", site=site, query=_query(), events=page, **_paging(PAGE))

    @pages.get("/<site>/advice")
    def advice(site: str) -> str:
        found = reader.advice(site, asked_range(reader, site))
        return render_template("advice.html", advice=found)

    def _event(site: str) -> str:
        """Return the event that the query identifies, by its name or by the id of a long name."""
        id_ = request.args.get("id")
        if id_ is None:
            return request.args.get("name", "")
        name = reader.event_name(site, asked_range(reader, site), id_)
        return name if name is not None else abort(404, "There is no such event in this range.")

    @pages.get("/<site>/events/properties")
    def properties(site: str) -> str:
        event = _event(site)
        found = reader.properties(site, asked_range(reader, site), event)
        return render_template(
            "properties.html",
            site=site,
            query=_query(),
            event=event,
            address=_named("id" if "id" in request.args else "name"),
            properties=found,
        )

    @pages.get("/<site>/events/values")
    def values(site: str) -> str:
        event, name = _event(site), request.args.get("property", "")
        page = reader.values(site, asked_range(reader, site), event, name, **_window(_FIRST))
        return render_template("values.html", site=site, property=name, values=page, **_paging(_FIRST))

    @pages.get("/<site>/live")
    def live(site: str) -> str:
        return render_template("live.html", site=site, timezone=settings.timezone(site))

    @pages.get("/favicon.ico")
    def icon() -> AnyResponse:
        return redirect(url_for("dashboard.static", filename="icon.svg"))

    add_settings(pages, reader, settings)
    return pages


def _named(parameter: str) -> dict[str, str]:
    """Return the query parameter that identifies the event, for links to its values."""
    return {parameter: request.args.get(parameter, "")}


def _query() -> dict[str, str]:
    """Return the query parameters of the range, for links that keep it."""
    return {key: request.args[key] for key in ("period", "from", "to") if request.args.get(key)}


def _window(rows: int) -> dict[str, Any]:
    return {
        "search": request.args.get("search", ""),
        "limit": max(1, min(request.args.get("limit", rows, type=int), _MOST)),
        "offset": max(0, request.args.get("offset", 0, type=int)),
    }


def _paging(rows: int) -> dict[str, Any]:
    """Return the position of a list; ``top`` is the largest count, to which bars are relative."""
    return {**_window(rows), "page": rows, "top": request.args.get("top", 0, type=int)}
