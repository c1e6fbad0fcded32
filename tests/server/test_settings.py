"""Settings of sites, which all processes and nodes share."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from reference_server.analytics.site_settings import (
    TIMEZONE,
    Goal,
    GoalExists,
    NoSuchGoal,
    Settings,
    TooManyGoals,
)
from reference_server.storage import shared_tables
from reference_server.storage.client import Clients
from reference_server.storage.shared_tables import Setting
from tests.server.polling import until

SITE = "example.com"


def test_goals_are_of_a_site_and_in_their_order(settings: Settings) -> None:
    """GOAL-1: goals are created, listed and deleted per site."""
    first, second = settings.add_goal(SITE, "Signup"), settings.add_goal(SITE, "Purchase")
    settings.add_goal("other.example", "Signup")
    assert settings.goals(SITE) == (first, second)
    settings.delete_goal(SITE, first.id)
    assert settings.goals(SITE) == (Goal(id=second.id, event_name="Purchase"),)


@pytest.mark.parametrize(
    "name", [" Signup ", "signup", "SIGNUP", "a\0b", "a\0c", "'\"\\%_", "🎉" * 10_000, "\t\n"]
)
def test_a_name_is_taken_exactly(settings: Settings, name: str) -> None:
    """GOAL-1: names are not trimmed, case-folded or cut."""
    settings.add_goal(SITE, "Signup")
    settings.add_goal(SITE, "a\0")
    settings.add_goal(SITE, name)
    assert settings.goals(SITE)[2].event_name == name


def test_the_length_of_a_goal_is_limited(settings: Settings) -> None:
    """F11: 10,000 characters of any script are accepted; one more is refused and leaves nothing behind."""
    name = "😀" * 10_000
    settings.add_goal(SITE, name)
    for longer in (f"{name}x", "x" * 140_000):
        with pytest.raises(ValueError, match=rf"at most 10,000 characters \(got {len(longer):,}\)"):
            settings.add_goal(SITE, longer)
    assert [goal.event_name for goal in settings.goals(SITE)] == [name]


def test_the_number_of_goals_is_limited(settings: Settings) -> None:
    """F11: a site has at most 100 goals; other sites, and a deleted goal's place, are free."""
    goals = [settings.add_goal(SITE, f"goal {number}") for number in range(100)]
    with pytest.raises(TooManyGoals, match="at most 100 goals: delete one first"):
        settings.add_goal(SITE, "one more")
    assert settings.goals(SITE) == tuple(goals)
    settings.add_goal("other.example", "one more")
    settings.delete_goal(SITE, goals[0].id)
    assert settings.add_goal(SITE, "one more").event_name == "one more"


def test_a_goal_is_created_once(settings: Settings) -> None:
    """A second goal of the same name is refused; ids are never reused."""
    goal = settings.add_goal(SITE, "Signup")
    with pytest.raises(GoalExists, match="'Signup'"):
        settings.add_goal(SITE, "Signup")
    settings.delete_goal(SITE, goal.id)
    assert settings.add_goal(SITE, "Signup").id > goal.id


@pytest.mark.parametrize("number", [0, 1, 2, 2**63, 10**30])
def test_only_a_goal_of_the_site_can_be_deleted(settings: Settings, number: int) -> None:
    """Ids of other sites' goals, and those beyond 64 bits, are unknown."""
    settings.add_goal("other.example", "Signup")
    with pytest.raises(NoSuchGoal):
        settings.delete_goal(SITE, number)
    assert len(settings.goals("other.example")) == 1


def test_text_that_is_not_well_formed_is_as_it_is_stored(settings: Settings) -> None:
    """A lone surrogate becomes U+FFFD in a goal, as it does in the name of an event."""
    assert settings.add_goal(SITE, "a\ud800").event_name == "a\ufffd"


def test_the_time_zone_is_utc_until_it_is_chosen(settings: Settings) -> None:
    """Each site has its own zone, and an unknown one changes nothing."""
    settings.set_timezone(SITE, "Europe/Berlin")
    with pytest.raises(ValueError, match="unknown time zone"):
        settings.set_timezone(SITE, "Europe/Atlantis")
    assert (settings.timezone(SITE), settings.timezone("other.example")) == ("Europe/Berlin", "UTC")


def test_a_zone_that_this_node_does_not_know_is_utc(settings: Settings, database: str) -> None:
    """Instead of a site without any page; another node may have newer zones."""
    setting = Setting(kind=TIMEZONE, name="", value="Mars/Olympus_Mons", version=1)
    shared_tables.write(Clients(database).get(), SITE, [setting])
    assert settings.timezone(SITE) == settings.last_timezone(SITE) == "UTC"


def test_processes_share_everything(settings: Settings, database: str, tmp_path: Path) -> None:
    """Other processes of the node see goals and zones at once, also if they have just read them."""
    other = Settings(Clients(database), tmp_path)
    assert (other.goals(SITE), other.timezone(SITE)) == ((), "UTC")
    goal = settings.add_goal(SITE, "Signup")
    settings.set_timezone(SITE, "Asia/Tokyo")
    assert (other.goals(SITE), other.timezone(SITE)) == ((goal,), "Asia/Tokyo")
    settings.delete_goal(SITE, goal.id)
    assert other.goals(SITE) == ()


def test_other_nodes_learn_of_changes(settings: Settings, database: str, tmp_path: Path) -> None:
    """Other nodes read changes by themselves, and refuse a goal that they have not seen yet."""
    other = Settings(Clients(database), tmp_path / "other")
    assert (other.goals(SITE), other.timezone(SITE)) == ((), "UTC")
    goal = settings.add_goal(SITE, "Signup")
    until(lambda: other.goals(SITE) == (goal,), "the other node does not learn of the goal")
    settings.add_goal(SITE, "Purchase")
    with pytest.raises(GoalExists):
        other.add_goal(SITE, "Purchase")
    other.delete_goal(SITE, goal.id)
    with pytest.raises(NoSuchGoal):
        settings.delete_goal(SITE, goal.id)


def test_the_last_of_two_changes_stays(settings: Settings, database: str, tmp_path: Path) -> None:
    """A change that follows another one counts even if its node's clock is an hour behind."""
    other = Settings(Clients(database), tmp_path / "other")
    with mock.patch("time.time_ns", return_value=time.time_ns() + 3600 * 10**9):
        settings.set_timezone(SITE, "Asia/Tokyo")
    other.set_timezone(SITE, "Europe/Berlin")
    assert other.timezone(SITE) == "Europe/Berlin"
    until(lambda: settings.timezone(SITE) == "Europe/Berlin", "the last change does not count")


def test_of_changes_at_once_one_stays_for_everybody(database: str, tmp_path: Path) -> None:
    """Equal versions are decided by the value, in whatever order rows arrive and merge."""
    client = Clients(database).get()
    zones = [
        Setting(kind=TIMEZONE, name="", value=zone, version=5) for zone in ("Asia/Tokyo", "Africa/Cairo")
    ]
    for site, order in (("a.example", zones), ("b.example", zones[::-1])):
        for setting in order:
            shared_tables.write(client, site, [setting])
    settings = Settings(Clients(database), tmp_path)
    assert {settings.timezone(site) for site in ("a.example", "b.example")} == {"Asia/Tokyo"}


def test_two_workers_create_a_goal_once(database: str, tmp_path: Path) -> None:
    """Of ten attempts at once on a node, nine are refused."""
    nodes = [Settings(Clients(database), tmp_path) for _ in range(10)]

    def add(settings: Settings) -> bool:
        try:
            settings.add_goal(SITE, "Signup")
        except GoalExists:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(add, nodes)) == [False] * 9 + [True]


def test_without_clickhouse_changes_are_refused(tmp_path: Path) -> None:
    """Changes of settings fail with an error; only the live page has a time zone without ClickHouse."""
    settings = Settings(Clients("http://127.0.0.1:9/default"), tmp_path)
    actions: list[Callable[[], object]] = [
        lambda: settings.add_goal(SITE, "Signup"),
        lambda: settings.delete_goal(SITE, 1),
        lambda: settings.set_timezone(SITE, "Asia/Tokyo"),
        lambda: settings.timezone(SITE),
        lambda: settings.goals(SITE),
    ]
    for action in actions:
        with pytest.raises(ClickHouseError):
            action()
    assert settings.last_timezone(SITE) == "UTC"
