"""Adoption of the outbox of a node that has ended for good."""

import os
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from reference_server.delivery.adoption import CannotAdopt, adoption
from reference_server.delivery.outbox import Outbox
from tests.server.test_outbox import line


def ended(data: Path, *names: str) -> Path:
    """Leave the data folder of a node that has ended with these events."""
    outbox = Outbox.create(data / "state" / "outbox")
    outbox.add(*map(line, names))
    os.close(outbox._lock_file)  # As the kernel does.
    return data


def reserve(given: Path, own: Path) -> tuple[Path, ...]:
    """Return the folders that are adopted for a path."""
    with adoption([given], own) as folders:
        return folders


def test_any_folder_of_the_node_will_do(tmp_path: Path) -> None:
    """The data folder, its state folder, and the outbox itself, also if nothing is left in it."""
    data = ended(tmp_path / "ended", "a")
    outbox = data / "state" / "outbox"
    assert [reserve(folder, tmp_path) for folder in (data, data / "state", outbox)] == [(outbox,)] * 3
    (tmp_path / "empty" / "state" / "outbox").mkdir(parents=True)
    assert reserve(tmp_path / "empty", tmp_path) == (tmp_path / "empty" / "state" / "outbox",)


def no_outbox(data: Path) -> Any:
    """Leave a folder without outboxes."""
    data.mkdir()
    return nullcontext()


def not_writable(data: Path) -> Any:
    """Leave a folder in which no file can be locked; permissions would not stop root."""
    (ended(data, "a") / "state" / "outbox" / "adoption.lock").mkdir()
    return nullcontext()


def of_running_server(data: Path) -> Any:
    """Leave the folder of a server that runs."""
    return closing(Outbox.create(data / "state" / "outbox"))


def adopted_already(data: Path) -> Any:
    """Leave a folder that another server adopts."""
    return adoption([ended(data, "a")], data)


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (no_outbox, r"{data}: this is no outbox: give the folder that was --data"),
        (not_writable, r"outbox: it cannot be written \(Is a directory\).* mount it read-write"),
        (of_running_server, r"outbox: it is in use, \w+\.sqlite belongs to a running server: stop that one"),
        (adopted_already, "outbox: another server is adopting it: leave it to that one"),
    ],
)
def test_a_folder_that_cannot_be_adopted_is_reported(
    tmp_path: Path, leave: Callable[[Path], Any], reason: str
) -> None:
    """The message names the folder, the problem and the way out."""
    data = tmp_path / "given"
    with leave(data), pytest.raises(CannotAdopt, match=reason.format(data=data)):
        reserve(data, tmp_path)


def test_a_server_does_not_adopt_its_own(tmp_path: Path) -> None:
    """Its own outbox is stored in any case."""
    data = ended(tmp_path / "ended", "a")
    with pytest.raises(CannotAdopt, match="this is the outbox of this server"):
        reserve(data, data / "state" / "outbox")
