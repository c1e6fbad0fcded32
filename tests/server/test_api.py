"""The JSON API of a running server: results and errors."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from reference_server.storage.embedded import LocalClickHouse

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def shop(start: Start, clickhouse: LocalClickHouse) -> Iterator[Any]:
    """A server for one site with a few events of today."""
    options = {"CLICKHOUSE_URL": clickhouse.url, "CLICKPORT_QUOTA": "1000, shop.example = 5"}
    with start("--site", "shop.example", **options) as server:
        for number, plan in enumerate(("pro", "free", "pro")):
            server.post(event("Purchase", mk=["plan"], mv=[plan], ra=49.99, rc="EUR", s=f"s{number}"))
        server.post(event("purchase", ra=0.1))
        server.post({"t": "p", "d": "shop.example", "s": "s0"})
        server.settle()
        yield server


def event(name: str, **more: Any) -> dict[str, Any]:
    """The payload of an event."""
    return {"t": "e", "n": name, "d": "shop.example", **more}


def get(server: Any, path: str, **parameters: Any) -> Any:
    """Request a path of the site."""
    answer: httpx.Response = server.http.get(f"/api/sites/shop.example{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_events(shop: Any) -> None:
    """DASH-1, DASH-4, REV-9, in the documented form."""
    answer = get(shop, "/events", period="today")
    today = datetime.now(UTC).date()
    assert answer.pop("range")["from"] == f"{today}T00:00:00+00:00"
    purchase = {"name": "Purchase", "count": 3, "visitors": 1, "has_properties": True}
    other = {"name": "purchase", "count": 1, "visitors": 1, "has_properties": False}
    assert answer == {
        "site": "shop.example",
        "events": [
            {**purchase, "revenue": [{"currency": "EUR", "amount": "149.97"}]},
            {**other, "revenue": [{"currency": "USD", "amount": "0.1"}]},
        ],
        **{"total": 2, "limit": 100, "offset": 0},
    }


def test_every_kind_of_range(shop: Any) -> None:
    """Every period except yesterday contains an event of this moment; so does a custom range."""
    for period in ("realtime", "24h", "today", "7d", "14d", "30d", "all"):
        assert (period, get(shop, "/events", period=period)["total"]) == (period, 2)
    assert get(shop, "/events", period="yesterday")["total"] == 0
    today = datetime.now(UTC).date()
    custom = {"from": f"{today.replace(day=1)}", "to": f"{today}"}
    assert get(shop, "/events", **custom)["total"] == 2
    assert get(shop, "/events", period="custom", **custom)["range"]["period"] == "custom"


def test_lists_are_searched_and_paged(shop: Any) -> None:
    """The total is that of the search."""
    answer = get(shop, "/events", search="CHASE", limit=1, offset=1)
    assert ([row["name"] for row in answer["events"]], answer["total"]) == (["purchase"], 2)
    answer = get(shop, "/events/properties", name="Purchase", property="plan", search="FR")
    assert (answer["values"], answer["total"]) == ([{"value": "free", "count": 1}], 1)


def test_properties(shop: Any) -> None:
    """DASH-2: all properties with their most common values, or one property with all of them."""
    values = [{"value": "pro", "count": 2}, {"value": "free", "count": 1}]
    plan = {"name": "plan", "count": 3, "distinct": 2, "values": values}
    answer = get(shop, "/events/properties", name="Purchase")
    assert (answer["name"], answer["properties"]) == ("Purchase", [plan])
    assert get(shop, "/events/properties", name="purchase")["properties"] == []
    answer = get(shop, "/events/properties", name="Purchase", property="plan")
    assert (answer["property"], answer["values"], answer["total"]) == ("plan", values, 2)


def test_goals_feed_the_figures(shop: Any) -> None:
    """GOAL-1 to GOAL-4: a goal is created, refused a second time, counted by its exact name, and deleted."""
    path = "/api/sites/shop.example/goals"
    goal = {"type": "custom_event", "event_name": "Purchase"}
    keys = [kpi["key"] for kpi in get(shop, "/kpis")["kpis"]]
    created = shop.http.post(path, json=goal)
    assert (created.status_code, created.json()) == (201, {"id": created.json()["id"], **goal})
    assert shop.http.post(path, json=goal).status_code == 409
    figures = {"conversions": 3, "visitors": 1, "rate": 300.0}
    money = {"currency": "EUR", "amount": "149.97", "count": 3, "average": "49.99"}
    assert get(shop, "/goals")["goals"] == [{**created.json(), **figures, "revenue": [money]}]
    kpis = {kpi["key"]: kpi["value"] for kpi in get(shop, "/kpis")["kpis"]}
    assert set(kpis) - set(keys) == {"conversions", "conversion_rate"}
    assert (kpis["conversions"], kpis["conversion_rate"], kpis["pageviews"]) == (3, 300, 1)
    series = get(shop, "/series", metric="conversions", period="today")
    assert (series["interval"], sum(point["value"] for point in series["points"])) == ("hour", 3)
    number = created.json()["id"]
    assert [shop.http.delete(f"{path}/{number}").status_code for _ in range(2)] == [204, 404]
    assert get(shop, "/goals")["goals"] == []


def test_figures_are_filtered_and_compared(shop: Any) -> None:
    """By an event and values of properties; a series by an interval, beside the one of the range before."""
    chosen = {"event": "Purchase", "prop.plan": "pro"}
    assert [(row["name"], row["count"]) for row in get(shop, "/events", **chosen)["events"]] == [
        ("Purchase", 2)
    ]
    kpis = get(shop, "/kpis", **chosen)
    assert {kpi["key"]: kpi["value"] for kpi in kpis["kpis"]} == {
        "visitors": 1,
        "events": 2,
        "conversion_rate": 200.0,
    }
    assert kpis["revenue"] == [{"currency": "EUR", "amount": "99.98", "count": 2, "average": "49.99"}]
    series = get(shop, "/series", metric="events", period="30d", interval="week", compare="1", **chosen)
    assert (series["interval"], sum(point["value"] for point in series["points"])) == ("week", 2)
    assert sum(point["value"] for point in series["previous"]) == 0


def test_usage_and_names_and_advice(shop: Any) -> None:
    """QUOTA-1, suggestions, LINT-1."""
    usage = {"site": "shop.example", "pageviews": 1, "custom_events": 4, "total": 5, "quota": 5}
    assert get(shop, "/usage") == {**usage, "month": f"{datetime.now(UTC):%Y-%m}"}
    assert get(shop, "/names", search="urch") == {"names": ["Purchase", "purchase"]}
    advice = get(shop, "/advice")["advice"]
    assert [(each["rule"], each["names"]) for each in advice] == [("LINT-1", ["Purchase", "purchase"])]
    assert get(shop, "/advice", name=["Other", "purchase"])["advice"] == advice
    assert get(shop, "/advice", name="Other")["advice"] == []


def test_the_time_zone_moves_the_days(shop: Any) -> None:
    """A new time zone applies from the next request on."""
    path = "/api/sites/shop.example/settings"
    assert get(shop, "/settings") == {"timezone": "UTC"}
    try:
        assert shop.http.put(path, json={"timezone": "Asia/Kolkata"}).json() == {"timezone": "Asia/Kolkata"}
        told = get(shop, "/events", period="today")["range"]
        assert (told["from"][10:], told["timezone"]) == ("T18:30:00+00:00", "Asia/Kolkata")
    finally:
        shop.http.put(path, json={"timezone": "UTC"})


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("events?period=1y", "(got '1y')"),
        ("events?from=2026-11-01", "needs both from and to"),
        ("events?from=2026-11-02&to=2026-11-01", "from (2026-11-02) must not be later than to (2026-11-01)"),
        ("events?from=20261101&to=2026-11-02", "from must be a day as YYYY-MM-DD (got '20261101')"),
        ("events?from=2026-02-30&to=2026-03-02", "from must be a day"),
        ("events?period=7d&from=2026-11-01&to=2026-11-02", "require the period custom (got '7d')"),
        ("events?limit=0", "limit must be a whole number from 1 to 1000 (got '0')"),
        ("events?limit=1001", "limit must be"),
        ("events?limit=%D9%A3", "limit must be"),
        ("events?offset=-1", "offset must be a whole number from 0"),
        ("events/properties", "name must be the name of an event"),
        ("advice?name=a&name=", "name must be non-empty"),
        ("advice?" + "name=a&" * 101, "given at most 100 times"),
        ("series?from=2026-11-02&to=2026-11-08&interval=month", "interval must be hour or day in this range"),
        ("series?compare=0", "compare must be 1 (got '0')"),
        ("series?event=a&metric=pageviews", "metric must be one of visitors, events, conversion_rate"),
        ("events?event_id=0", "event_id must be that of an event of this site"),
        ("events?" + "&".join(f"prop.{n}=a" for n in range(11)), "at most 10 properties can be combined"),
        ("series?metric=money", "metric must be one of visitors, pageviews, "),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(shop: Any, path: str, reason: str) -> None:
    """The answer is 400 with the reason as JSON."""
    answer = shop.http.get(f"/api/sites/shop.example/{path}")
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b'{"type": "custom_event"', 400, "not JSON"),
        (b"[]", 400, "must be a JSON object"),
        (b'{"type": "page", "event_name": "a"}', 400, 'type must be "custom_event"'),
        (b'{"type": "custom_event", "event_name": ""}', 400, "event_name must be"),
        (b'{"type": "custom_event", "event_name": 5}', 400, "event_name must be"),
        (b"type=custom_event&event_name=a", 415, "must be application/json"),
    ],
)
def test_a_goal_that_is_none_is_refused(shop: Any, body: bytes, status: int, reason: str) -> None:
    """Invalid goals are refused, and foreign forms cannot send any."""
    kind = "application/x-www-form-urlencoded" if status == 415 else "application/json"
    answer = shop.http.post("/api/sites/shop.example/goals", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert reason in answer.json()["error"]


def test_an_unknown_site_is_not_there(shop: Any) -> None:
    """Another domain gets 404; other spellings of the registered one are accepted."""
    assert shop.http.get("/api/sites/other.example/events").json() == {
        "error": "this server has no such site"
    }
    assert shop.http.get("/api/sites/other.example/events").status_code == 404
    assert shop.http.get("/api/sites/www.SHOP.example/usage").json()["site"] == "shop.example"


def test_clickhouse_that_is_away_is_reported(start: Start, clickhouse: LocalClickHouse) -> None:
    """Reading and changing get 503 while ClickHouse does not answer; the live page continues."""
    with (
        LocalClickHouse(clickhouse.data_dir.with_name("going")) as going,
        start(CLICKHOUSE_URL=going.url) as server,
    ):
        going.stop()
        site = "/api/sites/shop.example"
        for answer in (
            server.http.get(f"{site}/events"),
            server.http.get(f"{site}/settings"),
            server.http.put(f"{site}/settings", json={"timezone": "Asia/Tokyo"}),
            server.http.post(f"{site}/goals", json={"type": "custom_event", "event_name": "Signup"}),
        ):
            assert (answer.status_code, "try again" in answer.json()["error"]) == (503, True)
        assert server.http.get("/shop.example/live").status_code == 200


def test_text_comes_through_unharmed(shop: Any) -> None:
    """A name with quotes, controls and emoji works in events, properties and goals."""
    name = "\"'\\\0\t\x1f🎉 {x:String} %s"
    with_goal = {"type": "custom_event", "event_name": name}
    shop.post(event(name, mk=[name], mv=[name]))
    shop.settle()
    goal = shop.http.post(
        "/api/sites/shop.example/goals",
        content=json.dumps(with_goal),
        headers={"Content-Type": "application/json"},
    )
    try:
        assert [row["name"] for row in get(shop, "/events", search=name)["events"]] == [name]
        values = get(shop, "/events/properties", name=name, property=name)["values"]
        assert values == [{"value": name, "count": 1}]
        found = get(shop, "/goals")["goals"]
        assert [(each["event_name"], each["conversions"]) for each in found] == [(name, 1)]
    finally:
        shop.http.delete(f"/api/sites/shop.example/goals/{goal.json()['id']}")
