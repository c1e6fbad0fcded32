"""`clickport plan check`: each rule has events that break it, and a good run is clean."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result

from conformance.site import pattern
from conformance.site.events import Event
from conformance.site.plan import Type, is_of, read_plan
from conformance.site.plan_check import differences
from reference_server.storage.embedded import LocalClickHouse
from tests.site.conftest import body, entry, har

Run = Callable[..., Result]
GOOD = (
    body("Signup", {"plan": "pro", "seats": "3"}),
    body("Purchase", {"sku": "ABC-1", "is gift": "true"}, ra=49.99, rc="EUR"),
    body("Video Play", {"anything": "x"}),
)
FAULTS = {
    "renamed": (body("Sign Up"), "PLAN-1", "'Sign Up' is not in tracking-plan.toml: did you mean 'Signup'?"),
    "unknown": (body("Logout", {}), "PLAN-1", "'Logout' is not in tracking-plan.toml"),
    "missing": (body("Signup", {}), "PLAN-2", "Signup: property 'plan' is missing"),
    "extra": (body("Signup", {"plan": "pro", "x": "y"}), "PLAN-3", "Signup: property 'x' is not planned"),
    "type": (
        body("Signup", {"plan": "pro", "seats": "two"}),
        "PLAN-4",
        "property 'seats' is 'two', not integer",
    ),
    "fraction": (body("Signup", {"plan": "pro", "seats": "2.5"}), "PLAN-4", "'2.5', not integer"),
    "boolean": (
        body("Purchase", {"sku": "ABC-1", "is gift": "yes"}, ra=1, rc="EUR"),
        "PLAN-4",
        "'is gift' is 'yes', not boolean",
    ),
    "value": (body("Signup", {"plan": "Pro"}), "PLAN-5", "property 'plan' is 'Pro', not one of free, pro"),
    "pattern": (body("Purchase", {"sku": "ABC-1 "}, ra=1, rc="EUR"), "PLAN-5", "which does not match"),
    "no revenue": (body("Purchase", {"sku": "ABC-1"}), "PLAN-6", "Purchase: revenue is missing"),
    "amount as text": (
        body("Purchase", {"sku": "ABC-1"}, ra="49.99", rc="EUR"),
        "PLAN-6",
        "the amount is '49.99', not a number",
    ),
    "currency": (
        body("Purchase", {"sku": "ABC-1"}, ra=1, rc="USD"),
        "PLAN-6",
        "the currency is USD, not EUR",
    ),
    "too little": (body("Purchase", {"sku": "ABC-1"}, ra=-1, rc="EUR"), "PLAN-6", "-1 is less than 0"),
    "too much": (body("Purchase", {"sku": "ABC-1"}, ra=1001, rc="EUR"), "PLAN-6", "1001 is more than 1000"),
    "unplanned revenue": (body("Signup", ra=1, rc="EUR"), "PLAN-6", "Signup: revenue is not planned"),
}


def test_good_events_are_as_planned(folder: Path, clickport: Run) -> None:
    """Events as planned end with 0, and with no other line."""
    har(folder / "shop.har", *map(entry, GOOD))
    done = clickport("plan", "check", "shop.har")
    assert (done.exit_code, done.output) == (0, "3 events of shop.har: as planned in tracking-plan.toml\n")


@pytest.mark.parametrize(("payload", "rule", "text"), FAULTS.values(), ids=list(FAULTS))
def test_each_difference_is_named(folder: Path, clickport: Run, payload: Any, rule: str, text: str) -> None:
    """One event that differs from the plan ends with 1, and only its rule fails."""
    har(folder / "shop.har", *map(entry, GOOD), entry(payload))
    done = clickport("plan", "check", "shop.har")
    failed = [line for line in done.output.splitlines() if line.startswith("FAIL")]
    assert done.exit_code == 1, done.output
    assert [line.split()[1] for line in failed] == [rule]
    assert text in failed[0]


def test_cardinality(folder: Path, clickport: Run) -> None:
    """More different values than planned fail; as many do not."""
    events = [entry(body("Signup", {"plan": "pro", "seats": str(n)})) for n in (1, 2)]
    har(folder / "few.har", *events)
    har(folder / "many.har", *events, entry(body("Signup", {"plan": "pro", "seats": "3"})))
    assert clickport("plan", "check", "few.har").exit_code == 0
    done = clickport("plan", "check", "many.har")
    assert done.exit_code == 1
    assert "PLAN-7  Signup: property 'seats' has 3 different values, and 2 are planned" in done.output


def test_unseen_event_warns_or_fails(folder: Path, clickport: Run) -> None:
    """A planned event that was not seen is a warning, with --strict a failure."""
    har(folder / "shop.har", entry(GOOD[0]), entry(GOOD[2]))
    done = clickport("plan", "check", "shop.har")
    assert (done.exit_code, "WARN  PLAN-8  'Purchase' is in the plan and was not seen" in done.output) == (
        0,
        True,
    )
    assert clickport("plan", "check", "shop.har", "--strict").exit_code == 1


def test_no_event_is_never_green(folder: Path, clickport: Run) -> None:
    """A source without events verifies nothing."""
    har(folder / "shop.har", entry({"t": "p"}))
    done = clickport("plan", "check", "shop.har")
    assert (done.exit_code, done.output) == (4, "shop.har has no custom event: nothing was checked\n")


@pytest.mark.parametrize(
    ("events", "advice"),
    [
        (
            [body("Video Play", {}), body("video play", {})],
            "LINT-1  Video Play: 'Video Play' and 'video play'",
        ),
        (
            [body("Signup Pro", {}), body("Signup Free", {})],
            "LINT-2  Signup Free: 'Signup Free', 'Signup Pro'",
        ),
        (
            [body("Video Play", {"by": f"u{n}@example.com"}) for n in (1, 2)],
            "LINT-3  Video Play: property 'by'",
        ),
        ([body("Video Play", {"n": str(n)}) for n in range(50)], "50 different values in 50 events"),
        ([body("Purchase", {"sku": "ABC-1"}, ra="$1", rc="EUR")], 'LINT-4  Purchase: the amount is "$1"'),
        ([body("Video Play", {f"k{n}": "v" for n in range(30)})], "LINT-5  Video Play: 30 properties"),
        (
            [body("Video Play", {"k": "v" * 2000})],
            "LINT-5  Video Play: k has 2,000 characters: it was probably",
        ),
    ],
)
def test_advice(folder: Path, clickport: Run, events: list[Any], advice: str) -> None:
    """The documentation's advice is printed as a warning, beside the rules of the plan."""
    har(folder / "shop.har", *map(entry, events))
    done = clickport("plan", "check", "shop.har")
    assert advice in done.output


@pytest.mark.parametrize("values", [["red", "blue"], ["v" * 1999], ["49.99"]])
def test_no_advice_without_a_reason(folder: Path, clickport: Run, values: list[str]) -> None:
    """Ordinary values draw no advice."""
    har(folder / "shop.har", *(entry(body("Video Play", {"k": value})) for value in values))
    assert "LINT" not in clickport("plan", "check", "shop.har").output


def test_other_sources(folder: Path, clickport: Run) -> None:
    """Rows of a readback, events of the fixture and a run record are checked as a HAR is."""
    row = {
        "type": "custom",
        "name": "Signup",
        "meta_keys": ["plan"],
        "meta_values": ["gold"],
        "revenue_source_amount": None,
        "revenue_source_currency": "\0\0\0",
    }
    case = {
        "kind": "case",
        "received": [{"method": "POST", "body": json.dumps(body("Signup", {"plan": "gold"}))}],
    }
    event = Event(name="Signup", properties={"plan": "gold"}, amount=None).to_json()
    view = {**row, "type": "pageview", "name": "x"}
    sources: dict[str, list[dict[str, Any]]] = {
        "rows.jsonl": [row, view],
        "run.jsonl": [{"kind": "run"}, case, {"kind": "end"}],
        "events.jsonl": [event],
    }
    for name, lines in sources.items():
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        done = clickport("plan", "check", name)
        assert "FAIL  PLAN-5  Signup: property 'plan' is 'gold'" in done.output, name
        assert f"1 event of {name}: not as planned" in done.output


ROW = {
    "type": "custom",
    "name": "Purchase",
    "meta_keys": ["sku"],
    "meta_values": ["ABC-1"],
    "revenue_source_amount": "49.99",
    "revenue_source_currency": "USD",
}


def test_rows_of_a_command(folder: Path, clickport: Run) -> None:
    """Stored rows are read from a readback's command, which gets the time."""
    (folder / "rows.jsonl").write_text(json.dumps(ROW), encoding="utf-8")
    done = clickport("plan", "check", "--readback-cmd", "cat rows.jsonl")
    assert "FAIL  PLAN-6  Purchase: the currency is USD, not EUR" in done.output
    assert done.exit_code == 1
    done = clickport(
        "plan", "check", "--readback-cmd", "sh -c 'echo {since} >&2; false'", "--since", "2026-11-29"
    )
    assert (done.exit_code, "2026-11-29T00:00:00" in done.output) == (3, True), done.output


def test_rows_of_clickhouse(folder: Path, clickport: Run) -> None:
    """Stored rows are read from ClickHouse, all of them."""
    with LocalClickHouse(folder / "clickhouse") as clickhouse:
        columns = ", ".join(
            f"{value!r} AS {name}" if isinstance(value, str) else f"{value} AS {name}"
            for name, value in ROW.items()
        )
        create = f"CREATE VIEW seen AS SELECT {columns} UNION ALL SELECT {columns.replace('USD', 'EUR')}"
        assert httpx.post(clickhouse.url, content=create).status_code == 200
        done = clickport("plan", "check", "--clickhouse", clickhouse.url, "--table", "seen")
    assert "the currency is USD, not EUR" in done.output, done.output
    assert "2 events of ClickHouse at " in done.output


@pytest.mark.parametrize("words", [(), ("x.har", "--readback-cmd", "cat x")])
def test_one_source_is_needed(clickport: Run, words: tuple[str, ...]) -> None:
    """Without a source, or with two, the command ends with a usage error that names them."""
    done = clickport("plan", "check", *words)
    assert (done.exit_code, "name one source of events: a file, or one of --clickhouse" in done.output) == (
        2,
        True,
    )


def test_amounts_stay_exact() -> None:
    """An event that is written and read again has the same decimal."""
    event = Event(name="x", amount=Decimal("1234567890123.45"), currency="EUR")
    assert Event.from_json(json.loads(json.dumps(event.to_json()))) == event


@pytest.mark.parametrize("kind", ["json", "junit", "html", "md"])
def test_reports(folder: Path, clickport: Run, kind: str) -> None:
    """Each report format names the rule and the event."""
    har(folder / "shop.har", entry(body("Sign Up")))
    done = clickport("plan", "check", "shop.har", "--report", f"{kind}=report.out")
    text = (folder / "report.out").read_text(encoding="utf-8")
    assert done.exit_code == 1
    assert "PLAN-1" in text
    assert "Sign Up" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[events.A]\nownr = 'x'", "events.A: unknown key 'ownr': did you mean owner?"),
        ("[events.A.properties.b]\ntype = 'int'", "events.A.properties.b: type must be one of text, number"),
        (
            "[events.A.properties.b]\npattern = '('",
            "events.A.properties.b: pattern '(' is not a regular expression",
        ),
        (
            "[events.A.properties.b]\nrequired = 1",
            "events.A.properties.b: required must be true or false (got 1)",
        ),
        ("[events.A.properties.b]\nmost = 0", "most must be 1 or more (got 0)"),
        ("[events.A.properties.b]\nvalues = [1]", "values must be a list of texts"),
        ("[events.A]\nrevenue = 'always'", "events.A: revenue must be one of required, optional, never"),
        ("[events.A]\nrevenue = { least = 'x' }", "events.A.revenue: least must be a number"),
        ("[event.A]", "unknown key 'event': did you mean events?"),
        ("[events.A", "is not a plan"),
        ("[events.shop.sale]", "unknown key 'sale': known are description,"),
        ("[events.shop.sale]", 'a name with a dot is quoted: "shop.sale"'),
        ("[events.A.properties.user.id]", 'a name with a dot is quoted: "user.id"'),
        ('[events.""]', "an event has a name, and one here is empty"),
        (
            "[events.A.properties.b]\ntype = 'integer'\nvalues = ['1', 'two']",
            "events.A.properties.b: the value 'two' can never be accepted: it is not integer",
        ),
        (
            "[events.A.properties.b]\npattern = '[a-z]+'\nvalues = ['Pro']",
            "the value 'Pro' can never be accepted: it does not match the pattern [a-z]+",
        ),
        ("[events.A]\nrevenue = { least = 2, most = 1 }", "least is 2 and most 1: no amount is both"),
        ("[events.A]\nrevenue = { least = nan }", "least must be a number (got NaN)"),
        ("[events.A]\nrevenue = { most = inf }", "most must be a number (got Infinity)"),
        ("[events.A]\nrevenue = { presence = 'never', currencies = ['EUR'] }", "has no currency or bounds"),
        (
            "".join(f"[events.A.properties.p{n}]\n" for n in range(31)),
            "31 properties, but an event has at most 30",
        ),
    ],
)
def test_bad_plans_are_refused(folder: Path, clickport: Run, text: str, message: str) -> None:
    """A plan with a slip ends with 2 and names file, place and way out."""
    (folder / "tracking-plan.toml").write_text(text, encoding="utf-8")
    har(folder / "shop.har", entry(GOOD[0]))
    done = clickport("plan", "check", "shop.har")
    assert done.exit_code == 2
    assert message in done.output
    assert "tracking-plan.toml" in done.output


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.har", "{", "x.har is incomplete: it ends at byte 1;"),
        ("x.har", "{}", "it has no log.entries"),
        ("x.har", '{"log": {"entries": [{}]}}', "x.har, entry 1 is not an entry of a HAR: lacks 'request'"),
        ("x.jsonl", "hello", "x.jsonl holds no events"),
        ("x.jsonl", '{"kind": "event"}', "x.jsonl, line 1: KeyError"),
        ("x.jsonl", '{"meta_keys": []}', "x.jsonl, line 1, is not a stored row"),
    ],
)
def test_bad_sources_are_refused(folder: Path, clickport: Run, name: str, text: str, message: str) -> None:
    """A file that is no source ends with 2 and says why."""
    (folder / name).write_text(text, encoding="utf-8")
    done = clickport("plan", "check", name)
    assert (done.exit_code, message in done.output) == (2, True), done.output


def test_missing_files(clickport: Run) -> None:
    """A missing plan or source ends with 2 and names the file."""
    assert "could not read none.jsonl" in clickport("plan", "check", "none.jsonl").output
    done = clickport("plan", "check", "x.har", "--plan", "none.toml")
    assert (done.exit_code, "there is no plan none.toml" in done.output) == (2, True)


def test_limits_are_those_of_the_documentation(folder: Path) -> None:
    """An event as planned has no difference, whatever its time and page are."""
    plan = read_plan(folder / "tracking-plan.toml")
    assert (
        list(differences(plan, Event(name="Signup", properties={"plan": "free"}, page="x", seconds=1.0)))
        == []
    )


def test_plan_with_a_byte_order_mark(folder: Path, clickport: Run) -> None:
    """Editors on Windows write one."""
    (folder / "bom.toml").write_text("[events.Signup.properties.plan]", encoding="utf-8-sig")
    har(folder / "shop.har", entry(GOOD[0]))
    assert (
        "property 'seats' is not planned"
        in clickport("plan", "check", "shop.har", "--plan", "bom.toml").output
    )


@pytest.mark.parametrize("text", ["1_000", "٣", "+5", "0x10", "007", "1.", ".5", "NaN", "1,5", ""])
def test_texts_that_are_no_numbers(text: str) -> None:
    """A number on the wire is what JavaScript makes of one; a code with a leading zero is text."""
    assert not is_of(Type.NUMBER, text)


@pytest.mark.parametrize("text", ["0", "-5", "49.99", "49.90", "1e+21", "1.5e-7"])
def test_numbers(text: str) -> None:
    """Numbers as JavaScript writes them, by String() or toFixed()."""
    assert is_of(Type.NUMBER, text)


def test_pattern_that_explodes(folder: Path, clickport: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A match that would take years is ended, and the plan is at fault; the next match works."""
    monkeypatch.setattr(pattern, "SECONDS", 0.5)
    (folder / "tracking-plan.toml").write_text("[events.Signup.properties.plan]\npattern = '(a+)+b'")
    har(folder / "shop.har", entry(body("Signup", {"plan": "a" * 40})))
    done = clickport("plan", "check", "shop.har")
    assert (done.exit_code, "events.Signup: property 'plan': (a+)+b takes more than" in done.output) == (
        2,
        True,
    )
    assert pattern.matches("(a+)+b", "a" * 20 + "b")
    assert not pattern.matches("(a+)+b", "a" * 17)


def test_quick_patterns_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordinary patterns are matched here, so that a check of many events is quick."""
    monkeypatch.setattr(pattern, "_matcher", lambda: pytest.fail("a process was used"))
    assert pattern.matches(r"[A-Z]{3}-\d+", "ABC-" + "1" * 30)
    assert pattern.matches(r"\d{4}-\d{2}-\d{2}[a-z ]*", "2026-11-29 and some more")


def test_huge_amounts_are_short_in_messages(folder: Path, clickport: Run) -> None:
    """The digits of 1e999999999 would fill the memory."""
    har(
        folder / "shop.har",
        entry('{"t":"e","n":"Purchase","mk":["sku"],"mv":["ABC-1"],"ra":1e999999999,"rc":"EUR"}'),
    )
    assert "the amount 1E+999999999 is more than 1000" in clickport("plan", "check", "shop.har").output


def test_names_of_another_unicode_form(folder: Path, clickport: Run) -> None:
    """The message distinguishes names that look alike on the screen."""
    (folder / "tracking-plan.toml").write_text('[events."Café"]\nother_properties = true', encoding="utf-8")
    har(folder / "shop.har", entry(body("Cafe\u0301", {})), entry(body("Café", {})))
    output = clickport("plan", "check", "shop.har").output
    assert r"'Cafe\u0301' is not in tracking-plan.toml: did you mean 'Café'?" in output
    assert r"'Cafe\u0301' and 'Café' differ only in their Unicode form" in output
