"""The options of a run: what contradicts itself, what follows from them, and the configuration file."""

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
        ({"clickhouse": CLICKHOUSE}, "a readback says what a server stored: name the server too"),
        ({"tracker": "t.js", "readback_cmd": "./rows"}, "name the server too"),
        ({"server_cmd": "./s"}, "--server-cmd does not say where the free port goes: write {port} into it"),
        ({"clickhouse": "htp://me:hidden@h"}, "--clickhouse 'htp://***@h' is no URL"),
        ({"lane": ("server",), "tracker": "t.js"}, "--lane server needs a server: --server, --server-cmd or"),
        ({"lane": ("tracker",), "server": SERVER}, "--lane tracker needs a tracker: --tracker FILE"),
        ({"lane": ("pair",), "tracker": "t.js"}, "--lane pair needs a tracker and a server"),
        ({"lane": ("tracker", "pair"), "tracker": "t.js"}, "--lane pair needs a tracker and a server"),
        (
            {"lane": ("dashboard",), "tracker": "t.js"},
            "--lane dashboard needs a server whose dashboard it is",
        ),
        ({"dashboard": SERVER}, "a dashboard shows what a server took: name the server too"),
        ({"dashboard_key": "ck_1"}, "a dashboard shows what a server took"),
        ({"dashboard": "shop.example", "server": SERVER}, "--dashboard 'shop.example' is no URL"),
        ({"envelope": "{'d': 1}"}, "--envelope is no JSON"),
        ({"envelope": ""}, "--envelope is no JSON"),
        ({"envelope": '["d"]'}, "--envelope must be a JSON object"),
        ({"envelope": "null"}, "--envelope must be a JSON object"),
        ({"shim": "shim.js"}, "--shim is about a tracker of yours: name it too, with --tracker FILE"),
        ({"payload": "map.py", "server": SERVER}, "--payload is about a tracker of yours"),
        ({"baseline": "no/such/file.toml"}, "--baseline: "),
        ({"waive": ("QUOTA-11=x",)}, "--waive: there is no requirement 'QUOTA-11': did you mean QUOTA-1?"),
        ({"waive": ("zzz=x",)}, "--waive: there is no requirement 'zzz': `clickport list` shows every id"),
        ({"waive": ("QUOTA-1",)}, '--waive: QUOTA-1 has no reason: write QUOTA-1="no usage API"'),
        ({"waive": ("QUOTA-1= ",)}, "--waive: QUOTA-1 has no reason"),
        ({"waive": ("QUOTA-1=a", "quota-1=b")}, "--waive: QUOTA-1 is waived more than once"),
        ({"waive": ("LINT-1=a",)}, "--waive: LINT-1 is a MAY, which never holds a verdict back"),
        ({"shard": "0/4"}, "--shard '0/4' is no part of a whole: write 1/4 for the first of four"),
        ({"shard": "5/4"}, "--shard '5/4' is no part of a whole"),
        ({"shard": "one"}, "--shard 'one' is no part of a whole"),
        ({"max_examples": -1}, "--max-examples -1 is no number: write 0 or more"),
        ({"shrink_seconds": -1}, "--shrink-seconds -1 is no number: write 0 or more"),
    ],
)
def test_contradictions_are_refused(given: dict[str, Any], message: str) -> None:
    """Options that cannot be meant together, or at all, are a usage error that names them."""
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
    """Without a choice every lane is checked that the targets allow; with one, those chosen, once each."""
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
    """The fields that a server demands are read from JSON; there are none by default."""
    assert Options(envelope=envelope).envelope_fields == fields


def test_given_tells_what_was_chosen() -> None:
    """Options that were left at their defaults, or given as them, are not among those given."""
    options = Options(tracker="t.js", only=("PROP-*",), strict=True, table="events", domain="example.com")
    assert options.given() == {"tracker": "t.js", "only": ("PROP-*",), "strict": True}


def test_a_key_is_not_told() -> None:
    """A run record and its reports are shown around: the key of a dashboard is not among what they tell."""
    options = Options(server=SERVER, dashboard=SERVER, dashboard_key="ck_secret")
    assert options.given() == {"server": SERVER, "dashboard": SERVER}


def test_waivers_are_read() -> None:
    """A waiver is an id, however it is written, and a reason, which may hold an equals sign."""
    options = Options(waive=("quota-1 = no usage API (plan=free)",))
    assert options.waivers == (Waiver(requirement="QUOTA-1", reason="no usage API (plan=free)"),)


def test_drawing_and_shrinking_can_be_switched_off() -> None:
    """Nought is a number of examples, and of seconds."""
    options = Options(max_examples=0, shrink_seconds=0)
    assert options.given() == {"max_examples": 0, "shrink_seconds": 0}


def test_nothing_given() -> None:
    """A run of the bundled reference has no options to tell."""
    assert Options().given() == {}


def test_command_line_can_be_pasted() -> None:
    """Options are told as words of a command line, quoted for the shell; those not given are left out."""
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
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_file_no_options(folder: Path) -> None:
    """Where there is no configuration file nothing is set."""
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
    """The same names mean the same in either file; a dash is an underscore, and one text a list of it."""
    config(folder / name, text)
    expected = {"tracker": "t.js", "server_cmd": "./s", "only": ("PROP-*",), "strict": True}
    assert read_config(None) == expected


@pytest.mark.parametrize(
    ("name", "table"), [("clickport.toml", "[[waive]]"), ("pyproject.toml", "[[tool.clickport.waive]]")]
)
def test_waivers_are_tables(folder: Path, name: str, table: str) -> None:
    """In a file a waiver is a table, in either place; it comes to what the command line says in one text."""
    texts = [f'{table}\nrequirement = "{id_}"\nreason = "none = here"\n' for id_ in ("QUOTA-1", "STORE-4")]
    config(folder / name, "".join(texts))
    assert read_config(None) == {"waive": ("QUOTA-1=none = here", "STORE-4=none = here")}


def test_the_file_of_our_own_comes_first(folder: Path) -> None:
    """With both files there, clickport.toml is the one that counts."""
    config(folder / "clickport.toml", 'tracker = "ours.js"\n')
    config(folder / "pyproject.toml", '[tool.clickport]\ntracker = "theirs.js"\nstrict = true\n')
    assert read_config(None) == {"tracker": "ours.js"}


def test_a_shared_file_without_our_table_sets_nothing(folder: Path) -> None:
    """What other tools keep in pyproject.toml is none of our options."""
    config(folder / "pyproject.toml", '[project]\nname = "x"\n[tool.ruff]\nline-length = 110\n')
    assert read_config(None) == {}


def test_an_explicit_file_is_the_only_one(folder: Path) -> None:
    """A file that is named is read instead of those of the current folder, whatever it is called."""
    config(folder / "clickport.toml", "strict = true\n")
    path = config(folder / "other.toml", 'lane = ["tracker", "pair"]\n')
    assert read_config(path) == {"lane": ("tracker", "pair")}


def test_an_explicit_file_may_be_shared(folder: Path) -> None:
    """A file that is named and has a tool table is read like pyproject.toml."""
    path = config(folder / "all.toml", '[tool.clickport]\ndomain = "example.org"\n')
    assert read_config(path) == {"domain": "example.org"}


def test_an_explicit_file_must_be_there(folder: Path) -> None:
    """A file that is named and is missing is a slip, not an empty configuration."""
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
    """What is no option, or has the wrong type, is refused, naming file and option, with the way out."""
    path = config(folder / "clickport.toml", text)
    with pytest.raises(UsageError) as caught:
        read_config(None)
    assert (path.name in str(caught.value), message in str(caught.value)) == (True, True), caught.value


def test_bytes_that_are_no_text_are_named(folder: Path) -> None:
    """A configuration file in another encoding is a usage error."""
    (folder / "clickport.toml").write_bytes(b'domain = "\xff"\n')
    with pytest.raises(UsageError, match=r"clickport\.toml"):
        read_config(None)
