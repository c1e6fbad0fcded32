"""The JSON API for reading data and settings, described by openapi.json."""

from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError
from flask import Blueprint, Response, abort, current_app, g, jsonify, request
from werkzeug.exceptions import BadRequest

from reference_server.analytics.filters import Filter
from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.results import EventCount, Revenue, Series, ValueCount
from reference_server.analytics.series import FILTERED_METRICS, METRICS
from reference_server.analytics.site_settings import Goal, GoalExists, NoSuchGoal, Settings, TooManyGoals
from reference_server.ingest.sites import Sites
from reference_server.storage.client import Clients
from reference_server.text import plain
from reference_server.web.access import AccessControl
from reference_server.web.arguments import asked_filter, asked_range, require_short_arguments
from reference_server.web.exports import add_exports
from reference_server.web.imports import add_import
from reference_server.web.live_stream import STREAM

MOST_ROWS = 1000
_ROWS, _MOST_ASKED = 100, 100
_LAST_OFFSET = 10**9
_GOAL_TYPE = "custom_event"


def blueprint(
    reader: Reader,
    settings: Settings,
    sites: Sites,
    access: AccessControl,
    *,
    clients: Clients,
    max_body: int,
) -> Blueprint:
    """Return the routes below ``/api/sites/<domain>``, all under access control."""
    routes = Blueprint("api", __name__, url_prefix="/api/sites/<domain>")
    routes.before_request(access.check)
    routes.before_request(require_short_arguments)

    @routes.url_value_preprocessor
    def find_site(_: str | None, values: dict[str, Any] | None) -> None:
        g.site = sites.find((str((values or {}).pop("domain")),))

    @routes.before_request
    def know_site() -> None:
        if g.site is None:
            abort(404, "this server has no such site")

    @routes.errorhandler(ClickHouseError)
    def unavailable(error: ClickHouseError) -> tuple[Response, int]:
        current_app.logger.warning("ClickHouse does not answer: %s", error)
        return jsonify(error="ClickHouse does not answer: try again"), 503

    _lists(routes, reader)
    _figures(routes, reader)
    _live(routes)
    add_exports(routes, reader)
    add_import(routes, clients, max_body)
    _goals(routes, reader, settings)
    _settings(routes, settings)
    return routes


def _lists(routes: Blueprint, reader: Reader) -> None:
    @routes.get("/events")
    def events() -> Response:
        range_, page = _range(reader), _page()
        found = reader.events(g.site, range_, by=_filter(reader), **page)
        rows = [_event(row) for row in found.rows]
        return _answer(range_, events=rows, total=found.total, limit=page["limit"], offset=page["offset"])

    @routes.get("/events/properties")
    def properties() -> Response:
        range_, page = _range(reader), _page()
        name, property_ = request.args.get("name"), request.args.get("property")
        if name is None:
            abort(400, "name must be the name of an event")
        if property_ is None:
            page_ = reader.properties(g.site, range_, name, _filter(reader))
            top = reader.top_values(g.site, range_, name, [row.name for row in page_.rows])
            rows = [
                {
                    "name": row.name,
                    "count": row.count,
                    "distinct": row.distinct,
                    "values": _values(top.get(row.name, ())),
                }
                for row in page_.rows
            ]
            return _answer(range_, name=name, properties=rows, total=page_.total)
        found = reader.values(g.site, range_, name, property_, by=_filter(reader), **page)
        return _answer(
            range_,
            name=name,
            property=property_,
            values=_values(found.rows),
            total=found.total,
            limit=page["limit"],
            offset=page["offset"],
        )

    @routes.get("/names")
    def names() -> Response:
        return jsonify(names=reader.names(g.site, request.args.get("search", "")))


def _figures(routes: Blueprint, reader: Reader) -> None:
    @routes.get("/kpis")
    def kpis() -> Response:
        range_ = _range(reader)
        by = _filter(reader)
        found = reader.kpis(g.site, range_, by)
        return _answer(range_, kpis=found, revenue=_revenue(reader.revenue(g.site, range_, by)))

    @routes.get("/series")
    def series() -> Response:
        range_, by = _range(reader), _filter(reader)
        metric, known = request.args.get("metric", METRICS[0]), FILTERED_METRICS if by else METRICS
        if metric not in known:
            abort(400, f"metric must be one of {', '.join(known)}")
        compare = request.args.get("compare")
        if compare not in (None, "1"):
            abort(400, f"compare must be 1 (got {compare[:100]!r})")
        found = reader.series(g.site, range_, metric, by)
        before = range_.previous(whole=True) if compare else None
        previous = {"previous": _points(reader.series(g.site, before, metric, by))} if before else {}
        return _answer(
            range_, metric=found.metric, interval=found.interval, points=_points(found), **previous
        )

    @routes.get("/usage")
    def usage() -> Response:
        found = reader.usage(g.site)
        return jsonify(
            site=g.site,
            month=found.month,
            pageviews=found.pageviews,
            custom_events=found.custom_events,
            total=found.total,
            quota=found.quota,
        )

    @routes.get("/advice")
    def advice() -> Response:
        range_, only = _range(reader), request.args.getlist("name")
        if len(only) > _MOST_ASKED or not all(only):
            abort(400, f"name must be non-empty and given at most {_MOST_ASKED} times")
        return _answer(range_, advice=reader.advice(g.site, range_, only))


def _live(routes: Blueprint) -> None:
    @routes.get("/live")
    def live() -> Response:
        # The gateway continues the answer: a thread per open stream would be too many.
        request.environ[STREAM] = g.site
        return Response(content_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _goals(routes: Blueprint, reader: Reader, settings: Settings) -> None:
    @routes.get("/goals")
    def goals() -> Response:
        range_ = _range(reader)
        rows = [
            {
                **_goal(Goal(id=goal.id, event_name=goal.event_name)),
                "conversions": goal.conversions,
                "visitors": goal.visitors,
                "rate": goal.rate,
                "revenue": _revenue(goal.revenue),
            }
            for goal in reader.goals(g.site, range_, _filter(reader))
        ]
        return _answer(range_, goals=rows)

    @routes.post("/goals")
    def add() -> tuple[Response, int]:
        body = _body()
        if body.get("type") != _GOAL_TYPE:
            abort(400, f'type must be "{_GOAL_TYPE}"')
        name = body.get("event_name")
        if not (isinstance(name, str) and name):
            abort(400, "event_name must be a non-empty string")
        try:
            return jsonify(_goal(settings.add_goal(g.site, name))), 201
        except ValueError as error:
            abort(400, str(error))
        except (GoalExists, TooManyGoals) as error:
            abort(409, str(error))

    @routes.delete("/goals/<int:number>")
    def delete(number: int) -> tuple[str, int]:
        try:
            settings.delete_goal(g.site, number)
        except NoSuchGoal as error:
            abort(404, str(error))
        return "", 204


def _settings(routes: Blueprint, settings: Settings) -> None:
    @routes.get("/settings")
    def current() -> Response:
        return jsonify(timezone=settings.timezone(g.site))

    @routes.put("/settings")
    def change() -> Response:
        timezone = _body().get("timezone")
        try:
            settings.set_timezone(g.site, timezone if isinstance(timezone, str) else "")
        except ValueError as error:
            abort(400, f"timezone: {error}")
        return jsonify(timezone=timezone)


def _range(reader: Reader) -> Range:
    try:
        return asked_range(reader, g.site)
    except ValueError as error:
        abort(400, str(error))


def _filter(reader: Reader) -> Filter:
    try:
        return asked_filter(reader, g.site)
    except ValueError as error:
        abort(400, str(error))


def _page() -> Mapping[str, Any]:
    return {
        "search": request.args.get("search", ""),
        "limit": _number("limit", _ROWS, 1, MOST_ROWS),
        "offset": _number("offset", 0, 0, _LAST_OFFSET),
    }


def _number(name: str, default: int, least: int, most: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and least <= int(text) <= most):
        abort(400, f"{name} must be a whole number from {least} to {most} (got {text[:100]!r})")
    return int(text)


def _body() -> Mapping[str, Any]:
    """Return the JSON object of the request.

    Other content types are refused, as a foreign form can send them.
    """
    if request.mimetype != "application/json":
        abort(415, "the body must be application/json")
    try:
        body = request.get_json()
    except BadRequest:
        abort(400, "the body is not JSON")
    if not isinstance(body, dict):
        abort(400, "the body must be a JSON object")
    return body


def _answer(range_: Range, **content: Any) -> Response:
    shown = {
        "period": range_.period,
        "from": range_.start.isoformat(),
        "to": range_.end.isoformat(),
        "timezone": range_.timezone,
    }
    return jsonify(site=g.site, range=shown, **content)


def _event(row: EventCount) -> dict[str, Any]:
    return {
        "name": row.name,
        "count": row.count,
        "visitors": row.visitors,
        "has_properties": row.has_properties,
        "revenue": [{"currency": code, "amount": plain(amount)} for code, amount in row.revenue],
    }


def _points(series: Series) -> list[dict[str, Any]]:
    return [{"time": point.time.isoformat(), "value": point.value} for point in series.points]


def _revenue(found: tuple[Revenue, ...]) -> list[dict[str, Any]]:
    return [
        {
            "currency": each.currency,
            "amount": plain(each.amount),
            "count": each.count,
            "average": plain(each.average),
        }
        for each in found
    ]


def _values(rows: tuple[ValueCount, ...]) -> list[dict[str, Any]]:
    return [{"value": row.value, "count": row.count} for row in rows]


def _goal(goal: Goal) -> dict[str, Any]:
    return {"id": goal.id, "type": _GOAL_TYPE, "event_name": goal.event_name}
