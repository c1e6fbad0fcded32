"""Settings pages of a site: its goals and its time zone, as plain forms."""

from contextlib import suppress

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from reference_server.analytics.ranges import timezones
from reference_server.analytics.reader import Reader
from reference_server.analytics.site_settings import (
    GOAL_CHARACTERS,
    MOST_GOALS,
    GoalExists,
    NoSuchGoal,
    Settings,
    TooManyGoals,
)

# Characters of a goal's name that can be deleted and undone: longer ones do not fit into an address.
_UNDONE = 1000


def add_settings(pages: Blueprint, reader: Reader, settings: Settings) -> None:
    """Add the settings pages to the blueprint."""

    def show(site: str, status: int = 200, **also: str) -> tuple[str, int]:
        page = render_template(
            "settings.html",
            site=site,
            goals=reader.goals(site, reader.range(site, "all")),
            names=reader.names(site),
            timezone=settings.timezone(site),
            timezones=sorted(timezones()),
            done=request.args.get("done", ""),
            deleted=request.args.get("name", "")[:_UNDONE],
            **also,
        )
        return page, status

    @pages.get("/<site>/settings")
    def all_settings(site: str) -> AnyResponse:
        return redirect(url_for("dashboard.goals", site=site))

    @pages.get("/<site>/settings/goals")
    def goals(site: str) -> tuple[str, int]:
        return show(site)

    @pages.post("/<site>/settings/goals")
    def create_goal(site: str) -> tuple[str, int] | AnyResponse:
        name = request.form.get("event_name", "")
        try:
            settings.add_goal(site, name)
        except ValueError:
            text = f"Enter the name of an event: 1 to {GOAL_CHARACTERS:,} characters."
            return show(site, 400, goal_error=text, goal_name=name[:GOAL_CHARACTERS])
        except TooManyGoals:
            text = f"A site has at most {MOST_GOALS} goals: delete one first."
            return show(site, 409, goal_error=text, goal_name=name)
        except GoalExists:
            return show(site, 409, goal_error="There is a goal for this event already.", goal_name=name)
        return redirect(url_for("dashboard.goals", site=site, done="created"), 303)

    @pages.post("/<site>/settings/goals/<int:goal>/delete")
    def delete_goal(site: str, goal: int) -> AnyResponse:
        names = {each.id: each.event_name for each in settings.goals(site)}
        # Another request may have deleted the goal meanwhile.
        with suppress(NoSuchGoal):
            settings.delete_goal(site, goal)
        name = names.get(goal, "")
        undo = name if len(name) <= _UNDONE else ""
        return redirect(url_for("dashboard.goals", site=site, done="deleted", name=undo or None), 303)

    @pages.post("/<site>/settings/timezone")
    def timezone(site: str) -> tuple[str, int] | AnyResponse:
        name = request.form.get("timezone", "")
        try:
            settings.set_timezone(site, name)
        except ValueError as error:
            return show(site, 400, zone_error=str(error), zone=name)
        return redirect(url_for("dashboard.goals", site=site, done="zone"), 303)
