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


def test_docs(clickport: Run) -> None:
    """The page has a section for each event, with its owner, revenue and a row for each property."""
    page = clickport("plan", "docs").output
    assert "## Signup\n\nAn account was made.\n\nOwner: growth\n\nRevenue: none.\n" in page
    assert "| plan | text | yes | free, pro |  |" in page
    assert "| seats | integer | no | at most 2 different |  |" in page
    assert "Revenue: required, EUR, at least 0, at most 1000." in page
    assert "## Video Play" in page
