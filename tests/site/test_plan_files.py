"""`clickport plan write`, `diff`, `docs`: drafts, differences and pages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from conformance.site.plan import Presence, Type, read_plan
from tests.site.conftest import PLAN, body, entry, har

Run = Callable[..., Result]
SEEN = (
    *(entry(body("Signup", {"plan": plan, "seats": "2"})) for plan in ("free", "pro", "pro") * 2),
    entry(body("Signup", {"plan": "pro", "seats": "2", "note": 'a "q" \\ \n é \x7f'})),
    entry(body('odd "name".é', {"is gift": "true", "price": "1.5"}, ra=49.99, rc="EUR")),
    entry(body('odd "name".é', {"is gift": "false", "price": "2"})),
)
WIDE = """
[events.Sale]
revenue = { presence = "optional", currencies = ["EUR", "USD"], least = 1 }
[events.Sale.properties.code]
required = false
[events.Sale.properties.size]
type = "number"
most = 9
[events.Sale.properties.note]
required = false
"""


def test_draft_describes_what_was_seen(folder: Path, clickport: Run) -> None:
    """A draft has types, required properties, values and revenue as seen, and its own events satisfy it."""
    har(folder / "shop.har", *SEEN)
    done = clickport("plan", "write", "shop.har", "--plan", "draft.toml")
    assert (done.exit_code, "wrote 2 events to draft.toml" in done.output) == (0, True)
    plan = read_plan(folder / "draft.toml")
    signup, odd = plan.events["Signup"], plan.events['odd "name".é']
    assert {k: (p.type, p.required, p.values) for k, p in signup.properties.items()} == {
        "plan": (Type.TEXT, True, ("free", "pro")),
        "seats": (Type.INTEGER, True, ()),
        "note": (Type.TEXT, False, ()),
    }
    assert {k: p.type for k, p in odd.properties.items()} == {"is gift": Type.BOOLEAN, "price": Type.NUMBER}
    assert (odd.revenue.presence, odd.revenue.currencies) == (Presence.OPTIONAL, ("EUR",))
    assert clickport("plan", "check", "shop.har", "--plan", "draft.toml").exit_code == 0


def test_existing_plan_is_kept(folder: Path, clickport: Run) -> None:
    """A plan that exists is not replaced, unless by --force."""
    har(folder / "shop.har", *SEEN)
    done = clickport("plan", "write", "shop.har")
    assert (done.exit_code, "--force" in done.output) == (2, True)
    assert (folder / "tracking-plan.toml").read_text(encoding="utf-8") == PLAN
    assert clickport("plan", "write", "shop.har", "--force").exit_code == 0


def test_no_draft_without_events(folder: Path, clickport: Run) -> None:
    """Without events no file is written."""
    har(folder / "shop.har")
    assert clickport("plan", "write", "shop.har", "--plan", "draft.toml").exit_code == 4
    assert not (folder / "draft.toml").exists()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("", "\n[events.Logout]", "new     Logout"),
        ('[events."Video Play"]\nother_properties = true', "", "gone    Video Play"),
        ("events.Signup", "events.SignUp", "renamed Signup: now SignUp"),
        ("events.Purchase", "events.Sale", "renamed Purchase: now Sale"),
        ('"integer"', '"text"', "changed Signup: property 'seats' was integer and is text"),
        (".seats]", ".users]", "changed Signup: property 'seats' is gone"),
        (".seats]", ".users]", "changed Signup: property 'users' is new"),
        ("most = 2", "[events.signup]", "alike   Signup: 'Signup' and 'signup' differ only in case"),
        ('"free", "pro"', '"free", "pro", "team"', "changed Signup: property 'plan' has a new value, 'team'"),
        ('["EUR"]', '["EUR", "USD"]', "changed Purchase: currency USD is new"),
        ('"integer"\nrequired = false', '"integer"', "changed Signup: property 'seats' is required now"),
        ('"free", "pro"', '"free"', "changed Signup: property 'plan' no longer has the value 'pro'"),
        ('values = ["free", "pro"]', "", "changed Signup: property 'plan' may have any value now"),
        (r"-\\d+", "", r"property 'sku' had another pattern: [A-Z]{3}-\d+ became [A-Z]{3}"),
        ("most = 2", "most = 3", "changed Signup: property 'seats' had at most 2 values, now 3"),
        ("least = 0, ", "", "changed Purchase: the amount was 0 to 1000 and is any to 1000"),
        ('currencies = ["EUR"], ', "", "changed Purchase: revenue may have any currency now"),
        ('["EUR"]', '["CHF"]', "changed Purchase: currency EUR is gone"),
        ("other_properties = true", "", "changed Video Play: other properties are refused now"),
        ('owner = "growth"', 'revenue = "optional"', "changed Signup: revenue was absent and is optional"),
    ],
)
def test_differences(folder: Path, clickport: Run, old: str, new: str, line: str) -> None:
    """Each kind of difference between two plans is one line, and ends with 1."""
    assert old in PLAN
    changed = PLAN.replace(old, new) if old else PLAN + new
    (folder / "after.toml").write_text(changed, encoding="utf-8")
    done = clickport("plan", "diff", "tracking-plan.toml", "after.toml")
    assert done.exit_code == 1
    assert line in "\n".join(done.output.splitlines()), done.output


def test_same_plans(clickport: Run) -> None:
    """Equal plans end with 0."""
    done = clickport("plan", "diff", "tracking-plan.toml", "tracking-plan.toml")
    assert (done.exit_code, done.output) == (0, "no difference\n")


def test_plan_and_reality(folder: Path, clickport: Run) -> None:
    """A plan is compared with the events of a file, too."""
    har(folder / "shop.har", entry(body("Sign up")))
    done = clickport("plan", "diff", "tracking-plan.toml", "shop.har")
    assert "renamed Signup: now Sign up" in done.output
    assert "gone    Purchase" in done.output


def test_events_as_planned_differ_in_nothing(folder: Path, clickport: Run) -> None:
    """Events that use less than a plan allows are no difference to it."""
    (folder / "wide.toml").write_text(WIDE, encoding="utf-8")
    har(folder / "shop.har", entry(body("Sale", {"code": "12", "size": "2"})))
    done = clickport("plan", "diff", "wide.toml", "shop.har")
    assert (done.exit_code, done.output) == (0, "no difference\n")


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (body("Sale", {"code": "x"}), "changed Sale: property 'size' is gone"),
        (body("Sale", {"code": "x", "size": "big"}), "changed Sale: property 'size' was number and is text"),
        (body("Sale", {"code": "x", "size": "1", "y": "z"}), "changed Sale: property 'y' is new"),
        (body("Sale", {"code": "x", "size": "1"}, ra=1, rc="CHF"), "changed Sale: currency CHF is new"),
    ],
)
def test_events_not_as_planned_differ(folder: Path, clickport: Run, payload: object, line: str) -> None:
    """Events that contradict the plan are a difference, as before."""
    (folder / "wide.toml").write_text(WIDE, encoding="utf-8")
    har(folder / "shop.har", entry(payload))
    done = clickport("plan", "diff", "wide.toml", "shop.har")
    assert (done.exit_code, done.output) == (1, f"{line}\n")


def test_docs(clickport: Run) -> None:
    """The page has a section for each event, with its owner, revenue and a row for each property."""
    page = clickport("plan", "docs").output
    assert "## Signup\n\nAn account was made.\n\nOwner: growth\n\nRevenue: none.\n" in page
    assert "| plan | text | yes | free, pro |  |" in page
    assert "| seats | integer | no | at most 2 different |  |" in page
    assert "Revenue: required, EUR, at least 0, at most 1000." in page
    assert "## Video Play" in page
