"""Result types of the reader."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, localcontext


@dataclass(frozen=True, kw_only=True)
class EventCount:
    """An event name with its count, its revenue per currency, and its visitors if requested.

    ``name`` may be cut; ``characters`` is the length of the whole name, and ``id`` identifies it.
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
    """A page of the event names of a range, and the total number of names."""

    rows: tuple[EventCount, ...]
    total: int


@dataclass(frozen=True, kw_only=True)
class PropertyCount:
    """A property of an event: the number of its values, and of distinct ones; the value if there is one."""

    name: str
    count: int
    distinct: int
    only: str | None = None


@dataclass(frozen=True, kw_only=True)
class PropertyPage:
    """The most common properties of an event, and the total number of properties."""

    rows: tuple[PropertyCount, ...]
    total: int


@dataclass(frozen=True, kw_only=True)
class Revenue:
    """Amounts in one currency: their sum, and the number of events that had one."""

    currency: str
    amount: Decimal
    count: int

    @property
    def average(self) -> Decimal:
        """The average amount, rounded to 4 decimal places."""
        with localcontext(prec=60):
            return (self.amount / self.count).quantize(Decimal("1.0000"))


@dataclass(frozen=True, kw_only=True)
class ValueCount:
    """A value of a property and its count; its visitors and revenue if they were asked for."""

    value: str
    count: int
    visitors: int | None = None
    revenue: tuple[Revenue, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ValuePage:
    """A page of the values of a property, the total number of values, and the sum of their counts."""

    rows: tuple[ValueCount, ...]
    total: int
    count: int = field(default=0, compare=False)


@dataclass(frozen=True, kw_only=True)
class GoalResult:
    """A goal with its conversions and its visitors.

    ``rate`` is the number of conversions in percent of the site's visitors; it exceeds 100 if visitors
    convert repeatedly. ``event_id`` is the ``EventCount.id`` of its event, "" without conversions.
    """

    id: int
    event_name: str
    conversions: int
    visitors: int
    rate: float
    revenue: tuple[Revenue, ...] = ()
    event_id: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Kpi:
    """A figure beside that of the previous range; ``change`` is in percent, or None without comparison.

    ``approximate`` is True if the figure depends on more visitors than are counted exactly.
    ``converters``, of the conversion rate alone, is the number of visitors who completed any goal.
    """

    key: str
    value: float
    previous: float | None
    change: float | None
    approximate: bool = False
    converters: int | None = None


@dataclass(frozen=True, kw_only=True)
class Point:
    """A step of a series: its start and its value."""

    time: datetime
    value: float


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values over time, without gaps."""

    metric: str
    interval: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Events of a month that count against the site's quota; None means no ``quota``."""

    month: str
    pageviews: int
    custom_events: int
    quota: int | None

    @property
    def total(self) -> int:
        """Sum of pageviews and custom events, which count alike."""
        return self.pageviews + self.custom_events


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A best practice of the documentation that names or properties of a site violate."""

    rule: str
    text: str
    names: tuple[str, ...]
