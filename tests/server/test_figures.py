"""A sample of the comparison with an independent model: see benchmarks/figures.py for all of it."""

from pathlib import Path

from clickhouse_connect.driver.client import Client

from benchmarks.figures import compare
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.schema import migrate


def test_figures_are_those_of_the_model(clickhouse: LocalClickHouse, client: Client, tmp_path: Path) -> None:
    """Filters, uniques, revenue, intervals and comparison in a zone whose clocks change by half an hour."""
    migrate(client)
    told: list[str] = []
    total, nonzero, wrong = compare(
        clickhouse.url,
        tmp_path,
        zones=("Australia/Lord_Howe",),
        number=300,
        seed=7,
        tell=told.append,
        only="14d",
    )
    assert (told[:5], wrong) == ([], 0)
    assert total > 1000
    assert nonzero > 200
