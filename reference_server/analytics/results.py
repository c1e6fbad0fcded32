"""What the reader answers with."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class EventCount:
    """An event name: how often it came, from how many visitors if asked, what it earned in each currency.

    ``name`` may be the beginning of one of so many ``characters``; ``id`` stands for the whole of it.
    """

    name: str
    count: int
    visitors: int | None
    has_properties: bool
    revenue: tuple[tuple[str, Decimal], ...] = ()
    characters: int = field(default=0, compare=False)
    id: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """Some of the event names of a range, and how many there are."""

    rows: tuple[EventCount, ...]
    total: int


@dataclass(frozen=True, kw_only=True)
class PropertyCount:
    """A property of an event: how many values came, and how many different ones."""

    name: str
    count: int
    distinct: int


@dataclass(frozen=True, kw_only=True)
class PropertyPage:
    """The most common properties of an event, and how many it has."""

    rows: tuple[PropertyCount, ...]
    total: int


@dataclass(frozen=True, kw_only=True)
class ValueCount:
    """A value of a property, and how often it came."""

    value: str
    count: int


@dataclass(frozen=True, kw_only=True)
class ValuePage:
    """Some of the values of a property, and how many there are."""

    rows: tuple[ValueCount, ...]
    total: int


@dataclass(frozen=True, kw_only=True)
class GoalResult:
    """A goal, how often it was completed and by how many visitors.

    ``rate`` is completions in percent of the visitors of the site: more than 100 if they come back to it.
    """

    id: int
    event_name: str
    conversions: int
    visitors: int
    rate: float


@dataclass(frozen=True, kw_only=True)
class Kpi:
    """A figure beside that of the range before; ``change`` is in percent, None when there is none."""

    key: str
    value: float
    previous: float | None
    change: float | None


@dataclass(frozen=True, kw_only=True)
class Point:
    """A step of a series: when it begins, and its value."""

    time: datetime
    value: int


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values over time, without holes."""

    metric: str
    interval: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What counts against the quota of a month of the site; without ``quota`` there is no limit."""

    month: str
    pageviews: int
    custom_events: int
    quota: int | None

    @property
    def total(self) -> int:
        """Pageviews and custom events: they count alike."""
        return self.pageviews + self.custom_events


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What the documentation would say about names or properties that a site sends."""

    rule: str
    text: str
    names: tuple[str, ...]
