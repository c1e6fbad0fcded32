"""Settings per site (time zone and goals), which all nodes share through ClickHouse."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from reference_server.analytics.ranges import timezones, zone
from reference_server.storage import shared_tables
from reference_server.storage.client import Clients
from reference_server.storage.shared_tables import ERRORS, Cached, Setting, changing, next_version
from reference_server.text import well_formed

GOAL, TIMEZONE = "goal", "timezone"
"""Kinds of settings: a goal has its id as value; the time zone has no name."""

MOST_GOALS = 100
"""Goals of a site; each refresh of the dashboard counts all of them."""

GOAL_CHARACTERS = 10_000
"""Characters in a goal's name."""

_UTC = "UTC"
_MOST_SITES = 1000  # Sites whose settings a process remembers.


class GoalExists(Exception):
    """The site has a goal of this name already."""


class TooManyGoals(Exception):
    """The site has the maximum number of goals."""


class NoSuchGoal(Exception):
    """The site has no goal with this id."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A goal, completed by custom events of exactly this name."""

    id: int
    event_name: str


class Settings:
    """The settings of all sites. Methods raise clickhouse-connect's errors if ClickHouse does not answer.

    A change is visible at once to the processes of this node, and within two seconds to other nodes. Of
    changes that two nodes make to the same thing, the later one stays.
    """

    def __init__(self, clients: Clients, state_dir: Path) -> None:
        self._clients = clients
        self._marker = state_dir / "settings.changed"
        self._sites: dict[str, Cached[tuple[Setting, ...]]] = {}

    def timezone(self, site: str) -> str:
        """Return the time zone in which a site's days begin and end."""
        return _timezone(self._cached(site).get())

    def last_timezone(self, site: str) -> str:
        """Return the last known time zone, without ClickHouse too; UTC if none is known."""
        try:
            return _timezone(self._cached(site).last())
        except ERRORS:
            return _UTC

    def set_timezone(self, site: str, timezone: str) -> None:
        """Set the time zone of a site. Raises ValueError if it is unknown."""
        zone(timezone)
        with changing(self._marker):
            known = [each for each in self._read(site) if each.kind == TIMEZONE]
            version = next_version(max((each.version for each in known), default=0))
            self._write(site, Setting(kind=TIMEZONE, name="", value=timezone, version=version))

    def goals(self, site: str) -> tuple[Goal, ...]:
        """Return the goals of a site, oldest first."""
        return _goals(self._cached(site).get())

    def add_goal(self, site: str, event_name: str) -> Goal:
        """Create a goal with exactly this name (GOAL-1).

        Raises GoalExists, TooManyGoals, and ValueError if the name is empty or longer than 10,000
        characters.
        """
        name = well_formed(event_name)  # Names are stored in this form, and the goal must match them.
        if not name:
            raise ValueError("event_name must be a non-empty string")
        if len(name) > GOAL_CHARACTERS:
            raise ValueError(
                f"event_name must have at most {GOAL_CHARACTERS:,} characters (got {len(name):,})"
            )
        with changing(self._marker):
            known = [each for each in self._read(site) if each.kind == GOAL]
            goals = [each for each in known if not each.deleted]
            if any(each.name == name for each in goals):
                raise GoalExists(f"the site already has a goal named {name[:100]!r}")
            if len(goals) >= MOST_GOALS:
                raise TooManyGoals(f"a site has at most {MOST_GOALS} goals: delete one first")
            # An id is never used again. Microseconds keep the order across nodes, and fit into JSON numbers.
            number = max([time.time_ns() // 1000, *(int(each.value) + 1 for each in known)])
            before = max((each.version for each in known if each.name == name), default=0)
            self._write(site, Setting(kind=GOAL, name=name, value=str(number), version=next_version(before)))
        return Goal(id=number, event_name=name)

    def delete_goal(self, site: str, number: int) -> None:
        """Delete a goal. Raises NoSuchGoal."""
        with changing(self._marker):
            for each in self._read(site):
                if each.kind == GOAL and not each.deleted and int(each.value) == number:
                    self._write(site, replace(each, deleted=True, version=next_version(each.version)))
                    return
        raise NoSuchGoal(f"the site has no goal with the id {str(number)[:20]}")

    def _cached(self, site: str) -> Cached[tuple[Setting, ...]]:
        if site not in self._sites:
            if len(self._sites) >= _MOST_SITES:  # Anybody with access can ask for invented sites.
                self._sites.clear()
            self._sites[site] = Cached(
                self._clients, self._marker, lambda client: shared_tables.read(client, site)
            )
        return self._sites[site]

    def _read(self, site: str) -> tuple[Setting, ...]:
        """Return the settings as they are now: a change must not depend on what a cache has."""
        return self._clients.run(lambda client: shared_tables.read(client, site))

    def _write(self, site: str, setting: Setting) -> None:
        self._clients.run(lambda client: shared_tables.write(client, site, [setting]))
        self._cached(site).changed()


def _timezone(settings: tuple[Setting, ...]) -> str:
    found = next((each.value for each in settings if each.kind == TIMEZONE and not each.deleted), _UTC)
    # Another node may know more zones than this one, and an earlier version knew other names.
    return found if found in timezones() else _UTC


def _goals(settings: tuple[Setting, ...]) -> tuple[Goal, ...]:
    goals = (
        Goal(id=int(each.value), event_name=each.name)
        for each in settings
        if each.kind == GOAL and not each.deleted
    )
    return tuple(sorted(goals, key=lambda goal: (goal.id, goal.event_name)))
