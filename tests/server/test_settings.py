"""Settings of sites, in a file that processes share."""

from pathlib import Path

import pytest

from reference_server.analytics.site_settings import Goal, GoalExists, NoSuchGoal, Settings, TooManyGoals

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
    """Ids of other sites' goals, and those beyond SQLite's integers, are unknown."""
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


def test_processes_share_everything(settings: Settings, tmp_path: Path) -> None:
    """Other processes of the server see goals and zones at once, and sign with the same secret."""
    other = Settings(tmp_path)
    assert other.secret() == settings.secret()
    goal = settings.add_goal(SITE, "Signup")
    settings.set_timezone(SITE, "Asia/Tokyo")
    assert (other.goals(SITE), other.timezone(SITE)) == ((goal,), "Asia/Tokyo")
    other.close()
