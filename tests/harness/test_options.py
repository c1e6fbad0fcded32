"""The options of a run: validation, derived values, and the configuration file."""

from pathlib import Path
from typing import Any

import pytest

from conformance.cli.config import read_config
from conformance.harness.options import Options, UsageError
from conformance.protocol.requirements import Lane
from conformance.results.waivers import Waiver

SERVER = "http://127.0.0.1:8000"
CLICKHOUSE = "http://127.0.0.1:8123"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"server": SERVER, "server_cmd": "./s"}, "--server and --server-cmd exclude each other: give one"),
        ({"server": SERVER, "server_app": "a:b"}, "--server and --server-app exclude each other: give one"),
        (
            {"server_cmd": "./s {port}", "server_app": "a:b"},
            "--server-cmd and --server-app exclude each other",
        ),
        (
            {"server": SERVER, "clickhouse": CLICKHOUSE, "readback_cmd": "./rows"},
            "--clickhouse and --readback-cmd exclude each other: give one",
        ),
        (
            {"server": SERVER, "readback_url": SERVER, "readback_cmd": "./rows"},
            "--readback-url and --readback-cmd exclude each other: give one",
        ),
        (
            {"server": f"{SERVER},https://b.example"},
            "each of several --server must be http://host:port (got 'https://b.example')",
        ),
        (
            {"server": f"{SERVER},b.example"},
            "--server must be a URL such as http://host:port (got 'b.example')",
        ),
        ({"clickhouse": CLICKHOUSE}, "a readback needs the server whose rows it reads: name it"),
        ({"tracker": "t.js", "readback_cmd": "./rows"}, "name it with --server or --server-cmd"),
        ({"server_cmd": "./s"}, "--server-cmd must contain {port}, which is replaced by a free port"),
        (
            {"clickhouse": "htp://me:hidden@h"},
            "--clickhouse must be a URL such as http://host:port (got 'htp://***@h')",
        ),
        ({"lane": ("server",), "tracker": "t.js"}, "--lane server needs a server: --server, --server-cmd or"),
        ({"lane": ("tracker",), "server": SERVER}, "--lane tracker needs a tracker: --tracker FILE"),
        ({"lane": ("pair",), "tracker": "t.js"}, "--lane pair needs a tracker and a server"),
        ({"lane": ("tracker", "pair"), "tracker": "t.js"}, "--lane pair needs a tracker and a server"),
        (
            {"lane": ("dashboard",), "tracker": "t.js"},
            "--lane dashboard needs a server that the dashboard belongs to",
        ),
        ({"dashboard": SERVER}, "a dashboard needs the server whose events it shows: name it"),
        ({"dashboard_key": "ck_1"}, "a dashboard needs the server whose events it shows"),
        (
            {"dashboard_key": "ck_ü", "server": SERVER},
            "--dashboard-key, or CLICKPORT_DASHBOARD_KEY, has characters",
        ),
        ({"dashboard_key": "ck_1\n", "server": SERVER}, "only printable ASCII is possible"),
        (
            {"dashboard": "shop.example", "server": SERVER},
            "--dashboard must be a URL such as http://host:port (got 'shop.example')",
        ),
        ({"envelope": "{'d': 1}"}, "--envelope must be a JSON object"),
        ({"envelope": ""}, "--envelope must be a JSON object"),
        ({"envelope": '["d"]'}, "--envelope must be a JSON object"),
        ({"envelope": "null"}, "--envelope must be a JSON object"),
        ({"shim": "shim.js"}, "--shim needs a tracker of yours: name it with --tracker FILE"),
        ({"payload": "map.py", "server": SERVER}, "--payload needs a tracker of yours"),
        ({"baseline": "no/such/file.toml"}, "--baseline: "),
        ({"waive": ("QUOTA-11=x",)}, "--waive: there is no requirement 'QUOTA-11': did you mean QUOTA-1?"),
        ({"waive": ("zzz=x",)}, "--waive: there is no requirement 'zzz': `clickport list` shows every id"),
        ({"waive": ("QUOTA-1",)}, '--waive: QUOTA-1 has no reason: write QUOTA-1="no usage API"'),
        ({"waive": ("QUOTA-1= ",)}, "--waive: QUOTA-1 has no reason"),
        ({"waive": ("QUOTA-1=a", "quota-1=b")}, "--waive: QUOTA-1 is waived more than once"),
        ({"waive": ("LINT-1=a",)}, "--waive: LINT-1 is a MAY, which the verdict does not depend on"),
        ({"shard": "0/4"}, "--shard must be K/N, such as 1/4 for the first of four (got '0/4')"),
        ({"shard": "5/4"}, "(got '5/4')"),
        ({"shard": "one"}, "(got 'one')"),
        ({"max_examples": -1}, "--max-examples must be 0 or more (got -1)"),
        ({"shrink_seconds": -1}, "--shrink-seconds must be 0 or more (got -1)"),
        ({"protocol": "h3"}, "--protocol must be one of http1, http1-tls, http2 (got 'h3')"),
    ],
)
def test_contradictions_are_refused(given: dict[str, Any], message: str) -> None:
    """Invalid options and combinations raise a usage error that names them."""
    with pytest.raises(UsageError) as caught:
        Options(**given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "lanes"),
    [
        ({}, (Lane.TRACKER, Lane.SERVER, Lane.PAIR, Lane.DASHBOARD)),
        ({"tracker": "t.js"}, (Lane.TRACKER,)),
        ({"server": SERVER}, (Lane.SERVER,)),
        ({"server_cmd": "./s {port}"}, (Lane.SERVER,)),
        ({"server_app": "a:b"}, (Lane.SERVER,)),
        ({"tracker": "t.js", "server": SERVER}, (Lane.TRACKER, Lane.SERVER, Lane.PAIR)),
        ({"server": SERVER, "dashboard": SERVER}, (Lane.SERVER, Lane.DASHBOARD)),
        ({"server": SERVER, "lane": ("dashboard",)}, (Lane.DASHBOARD,)),
        ({"tracker": "t.js", "server": SERVER, "lane": ("pair",)}, (Lane.PAIR,)),
        ({"lane": ("pair", "tracker", "pair")}, (Lane.PAIR, Lane.TRACKER)),
    ],
)
def test_lanes_follow_from_the_targets(given: dict[str, Any], lanes: tuple[Lane, ...]) -> None:
    """The lanes are those chosen, once each, or else every lane that the targets allow."""
    assert Options(**given).lanes == lanes


@pytest.mark.parametrize(
    ("envelope", "fields"),
    [
        (None, {}),
        ("{}", {}),
        ('{"d": "example.com", "v": {"x": [1]}}', {"d": "example.com", "v": {"x": [1]}}),
    ],
)
def test_envelope_is_an_object(envelope: str | None, fields: dict[str, Any]) -> None:
    """The envelope is read from a JSON object; by default it is empty."""
    assert Options(envelope=envelope).envelope_fields == fields


def test_given_lists_the_chosen_options() -> None:
    """Only options that differ from their defaults are given."""
    options = Options(tracker="t.js", only=("PROP-*",), strict=True, table="events", domain="example.com")
    assert options.given() == {"tracker": "t.js", "only": ("PROP-*",), "strict": True}


def test_a_key_is_not_given() -> None:
    """The dashboard's key is not among the given options, because run records and reports are shared."""
    options = Options(server=SERVER, dashboard=SERVER, dashboard_key="ck_secret")
    assert options.given() == {"server": SERVER, "dashboard": SERVER}


def test_waivers_are_read() -> None:
    """A waiver is an id, case-insensitive, and a reason, which may contain an equals sign."""
    options = Options(waive=("quota-1 = no usage API (plan=free)",))
    assert options.waivers == (Waiver(requirement="QUOTA-1", reason="no usage API (plan=free)"),)


def test_drawing_and_shrinking_can_be_switched_off() -> None:
    """0 is valid as a number of examples and of seconds."""
    options = Options(max_examples=0, shrink_seconds=0)
    assert options.given() == {"max_examples": 0, "shrink_seconds": 0}


def test_nothing_given() -> None:
    """A run of the bundled reference has no given options."""
    assert Options().given() == {}


def test_command_line_can_be_pasted() -> None:
    """Options are printed as words of a command line, quoted for the shell; only those that were given."""
    options = Options(server=SERVER, readback_cmd="./rows --since '{since}'")
    assert options.command_line("server", "readback_cmd", "tracker") == [
        "--server http://127.0.0.1:8000",
        "--readback-cmd './rows --since '\"'\"'{since}'\"'\"''",
    ]


def config(path: Path, text: str) -> Path:
    """Write a configuration file."""
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder and return it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_file_no_options(folder: Path) -> None:
    """Without a configuration file no option is set."""
    assert (read_config(None), list(folder.iterdir())) == ({}, [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("clickport.toml", 'tracker = "t.js"\nserver-cmd = "./s"\nonly = ["PROP-*"]\nstrict = true\n'),
        (
            "pyproject.toml",
            '[project]\nname = "x"\n[tool.clickport]\n'
            'tracker = "t.js"\nserver_cmd = "./s"\nonly = "PROP-*"\nstrict = true\n',
        ),
    ],
)
def test_both_places_are_read(folder: Path, name: str, text: str) -> None:
    """Names mean the same in both files; a dash equals an underscore, and a string a list of one."""
    config(folder / name, text)
    expected = {"tracker": "t.js", "server_cmd": "./s", "only": ("PROP-*",), "strict": True}
    assert read_config(None) == expected


@pytest.mark.parametrize(
    ("name", "table"), [("clickport.toml", "[[waive]]"), ("pyproject.toml", "[[tool.clickport.waive]]")]
)
def test_waivers_are_tables(folder: Path, name: str, table: str) -> None:
    """A waiver is a table in either file, with the same meaning as ID=REASON on the command line."""
    texts = [f'{table}\nrequirement = "{id_}"\nreason = "none = here"\n' for id_ in ("QUOTA-1", "STORE-4")]
    config(folder / name, "".join(texts))
    assert read_config(None) == {"waive": ("QUOTA-1=none = here", "STORE-4=none = here")}


def test_the_file_of_our_own_comes_first(folder: Path) -> None:
    """If both files exist, clickport.toml is used."""
    config(folder / "clickport.toml", 'tracker = "ours.js"\n')
    config(folder / "pyproject.toml", '[tool.clickport]\ntracker = "theirs.js"\nstrict = true\n')
    assert read_config(None) == {"tracker": "ours.js"}


def test_a_shared_file_without_our_table_sets_nothing(folder: Path) -> None:
    """The tables of other tools in pyproject.toml are ignored."""
    config(folder / "pyproject.toml", '[project]\nname = "x"\n[tool.ruff]\nline-length = 110\n')
    assert read_config(None) == {}


def test_an_explicit_file_is_the_only_one(folder: Path) -> None:
    """A file named explicitly is read instead of those in the current folder, whatever its name."""
    config(folder / "clickport.toml", "strict = true\n")
    path = config(folder / "other.toml", 'lane = ["tracker", "pair"]\n')
    assert read_config(path) == {"lane": ("tracker", "pair")}


def test_an_explicit_file_may_be_shared(folder: Path) -> None:
    """A file named explicitly may have a tool table, as pyproject.toml has."""
    path = config(folder / "all.toml", '[tool.clickport]\ndomain = "example.org"\n')
    assert read_config(path) == {"domain": "example.org"}


def test_an_explicit_file_must_be_there(folder: Path) -> None:
    """A file named explicitly that is missing is a usage error."""
    with pytest.raises(UsageError, match=r"nowhere\.toml"):
        read_config(folder / "nowhere.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('trakcer = "t.js"\n', "unknown option 'trakcer': did you mean tracker?"),
        ('server-comd = "./s"\n', "unknown option 'server-comd': did you mean server-cmd?"),
        ('readback_ulr = "x"\n', "unknown option 'readback_ulr': did you mean readback-url?"),
        ("zzz = 1\n", "unknown option 'zzz': the options are tracker, shim, payload, server,"),
        ("tracker = 5\n", "tracker must be a text, not 5"),
        ('tracker = ["t.js"]\n', "tracker must be a text, not ['t.js']"),
        ("domain = true\n", "domain must be a text, not True"),
        ('strict = "yes"\n', "strict must be true or false, not 'yes'"),
        ("strict = 1\n", "strict must be true or false, not 1"),
        ("only = 5\n", "only must be a list of texts, not 5"),
        ('only = ["PROP-*", 5]\n', "only must be a list of texts, not ['PROP-*', 5]"),
        ('lane = ["trakcer"]\n', "lane must be a list of tracker/server/pair/dashboard, not ['trakcer']"),
        ('waive = ["QUOTA-1"]\n', "waive must be a list of tables with the texts requirement and reason"),
        ('[[waive]]\nrequirement = "QUOTA-1"\n', "waive must be a list of tables with the texts"),
        ('[[waive]]\nrequirement = "QUOTA-1"\nreason = 5\n', "waive must be a list of tables with the texts"),
        ('[[waive]]\nid = "QUOTA-1"\nreason = "x"\n', "waive must be a list of tables with the texts"),
        ("tracker = \n", "Invalid value"),
        ("[tool]\nclickport = 5\n", "tool.clickport must be a table"),
        ("tool = 5\n", "must be a table"),
    ],
)
def test_bad_files_are_named(folder: Path, text: str, message: str) -> None:
    """An unknown option or a wrong type is refused with file, option and the way out."""
    path = config(folder / "clickport.toml", text)
    with pytest.raises(UsageError) as caught:
        read_config(None)
    assert (path.name in str(caught.value), message in str(caught.value)) == (True, True), caught.value


def test_bytes_that_are_no_text_are_named(folder: Path) -> None:
    """A configuration file that is not UTF-8 is a usage error."""
    (folder / "clickport.toml").write_bytes(b'domain = "\xff"\n')
    with pytest.raises(UsageError, match=r"clickport\.toml"):
        read_config(None)


def test_several_servers_are_repeated_options() -> None:
    """A command that repeats a run names each server."""
    options = Options(server=f"{SERVER},http://127.0.0.1:8001")
    assert options.servers == (SERVER, "http://127.0.0.1:8001")
    assert options.command_line("server") == [f"--server {SERVER}", "--server http://127.0.0.1:8001"]
