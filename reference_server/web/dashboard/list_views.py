"""The lists inside a page, which load and update by themselves."""

from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request

from reference_server.analytics.kpis import EXACT_VISITORS
from reference_server.analytics.listings import SHOWN_CHARACTERS
from reference_server.analytics.reader import Reader
from reference_server.web.arguments import PROPERTY, asked_filter, asked_range
from reference_server.web.watched import is_name

PAGE = 100
"""Rows of a list per request."""

RANGE = ("period", "from", "to")
"""Arguments of a page that choose its range."""

FILTER = ("event", "event_id")
"""Arguments of a page that filter by an event; those of properties begin with PROPERTY."""

_MOST = 1000
_FIRST = 10


def add_lists(pages: Blueprint, reader: Reader) -> None:
    """Add the lists to the blueprint, and the progress of queries."""

    @pages.get("/<site>/events")
    def events(site: str) -> str:
        range_, by = asked_range(reader, site), asked_filter(reader, site)
        page = reader.events(site, range_, visitors=False, shown=SHOWN_CHARACTERS, by=by, **window(PAGE))
        return render_template("events.html", site=site, query=query(), events=page, **paging(PAGE))

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
        found = reader.properties(site, asked_range(reader, site), event, asked_filter(reader, site))
        return render_template(
            "properties.html",
            site=site,
            query=query(),
            event=event,
            address=_named("id" if "id" in request.args else "name"),
            properties=found,
        )

    @pages.get("/<site>/events/values")
    def values(site: str) -> str:
        event, name = _event(site), request.args.get("property", "")
        page = reader.values(
            site,
            asked_range(reader, site),
            event,
            name,
            details=True,
            by=asked_filter(reader, site),
            **window(_FIRST),
        )
        return render_template(
            "values.html",
            site=site,
            query=query(),
            address=_named("id" if "id" in request.args else "name"),
            property=name,
            values=page,
            exact_visitors=EXACT_VISITORS,
            **paging(_FIRST),
        )

    @pages.get("/progress/<name>")
    def progress(name: str) -> Response:
        if not is_name(name):
            abort(404, "There is no such query.")
        return jsonify(reader.progress(name))


def _named(parameter: str) -> dict[str, str]:
    """Return the query parameter that identifies the event, for links to its values."""
    return {parameter: request.args.get(parameter, "")}


def query() -> dict[str, Any]:
    """Return the query parameters of range and filter, for links that keep them."""
    names = [name for name in request.args if name in (*RANGE, *FILTER) or name.startswith(PROPERTY)]
    return {
        name: values
        for name in names
        if (values := request.args.getlist(name)) and (name not in RANGE or values[0])
    }


def window(rows: int) -> dict[str, Any]:
    """Return the search and the rows that are asked for, by default the first ``rows``."""
    return {
        "search": request.args.get("search", ""),
        "limit": max(1, min(request.args.get("limit", rows, type=int), _MOST)),
        "offset": max(0, request.args.get("offset", 0, type=int)),
    }


def paging(rows: int) -> dict[str, Any]:
    """Return the position of a list; ``top`` is the largest count, to which bars are relative."""
    return {**window(rows), "page": rows, "top": request.args.get("top", 0, type=int)}
