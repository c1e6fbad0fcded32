"""Figures of one view are of one moment: they are read again if events were stored meanwhile."""

from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from tests.server.reading import NOW, Pen, Sent

DAYS = Range.of("7d", timezone="UTC", now=NOW)


def test_figures_are_read_again_if_events_arrived(pen: Pen, reader: Reader) -> None:
    """An event that is stored between two panels is in both of them or in none."""
    pen.write(Sent(name="Signup"))
    reads: list[int] = []

    def read() -> tuple[float, int]:
        events = sum(row.count for row in reader.events(pen.site, DAYS).rows)
        if not reads:
            pen.write(Sent(name="Signup"))
        reads.append(events)
        points = reader.series(pen.site, DAYS, "events").points
        return sum(point.value for point in points), events

    assert reader.consistent(pen.site, DAYS, read) == (2, 2)
    assert reads == [1, 2]


def test_a_quiet_site_is_read_once_and_a_busy_one_three_times(pen: Pen, reader: Reader) -> None:
    """Figures are shown at last, also if events never cease."""
    pen.write(Sent(name="Signup"), Sent())
    reads: list[None] = []
    reader.consistent(pen.site, DAYS, lambda: reads.append(None))
    assert len(reads) == 1

    def busy() -> None:
        pen.write(Sent())
        reads.append(None)

    reader.consistent(pen.site, DAYS, busy)
    assert len(reads) == 1 + 3


def test_a_batch_that_is_stored_in_part_is_noticed(pen: Pen, reader: Reader) -> None:
    """Events that are in the sums of the site but not yet in those by name are read again."""
    pen.write(Sent(name="Signup"))
    pen.client.command(
        f"INSERT INTO rollup_traffic SELECT '{pen.site}', 86400, toDateTime('{NOW:%F} 00:00:00', 'UTC'),"
        " 0, 1, uniqCombinedState(14)(sipHash64('v'))"
    )
    reads: list[None] = []
    reader.consistent(pen.site, DAYS, lambda: reads.append(None))
    assert len(reads) == 3
