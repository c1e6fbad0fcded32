"""Payload modules: events in the requests of a foreign tracker, found by the mapping only."""

import base64
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest

from conformance.recorder import BadMapping, MappingFault, PayloadMapping, Recorder

MODULE = """
import base64, json
ANSWER = '{"fine": 1}'
def payloads(request):
    print('a mapping may print')
    if request.path != '/collect':
        return []
    assert (request.method, request.query) == ('POST', 'v=2') or 'followed' in request.query
    assert request.headers['content-type'] == 'text/odd'
    return [{'t': 'e', 'n': name} for name in json.loads(base64.b64decode(request.body))]
"""
# As a tracker sends them.
TWO = base64.b64encode(b'["First m-two", "Second m-two"]')


@pytest.fixture
def mapped(tmp_path: Path) -> Iterator[Recorder]:
    """Yield a recorder that reads requests by MODULE."""
    place = tmp_path / "mapping.py"
    place.write_text(MODULE, encoding="utf-8")
    with Recorder(str(place)) as recorder:
        yield recorder


def post(recorder: Recorder, path: str, body: bytes, *, follow: bool = False) -> httpx.Response:
    """Post a body as the foreign tracker does."""
    return httpx.post(
        recorder.page_origin + path,
        content=body,
        headers={"Content-Type": "text/odd"},
        follow_redirects=follow,
    )


def test_each_event_of_a_batch_counts(mapped: Recorder) -> None:
    """A request with two events counts twice, with the documented fields and the received body."""
    post(mapped, "/collect?v=2", TWO)
    found = mapped.wait(2, token="m-two")
    assert [(e.body, e.raw) for e in found] == [
        (b'{"t": "e", "n": "First m-two"}', TWO),
        (b'{"t": "e", "n": "Second m-two"}', TWO),
    ]
    assert found[0].summary()["raw"] == TWO.decode()


def test_only_events_bear_tokens(mapped: Recorder) -> None:
    """A token counts only in an event, not in the body of a request that the module reads no event from."""
    post(mapped, "/hello?m-hello", b"m-hello")
    post(mapped, "/collect?v=2", base64.b64encode(b'["m-hello after"]'))
    assert [e.body for e in mapped.wait(1, token="m-hello")] == [b'{"t": "e", "n": "m-hello after"}']


def test_own_requests_are_not_mapped(mapped: Recorder) -> None:
    """Control requests of the suite are recorded unmapped."""
    post(mapped, "/control/m-own", b"m-own")
    assert [e.body for e in mapped.wait(1, token="m-own")] == [b"m-own"]


def test_answer_is_the_mapping_s(mapped: Recorder) -> None:
    """The tracker gets the response that the module defines."""
    answer = post(mapped, "/collect?v=2", TWO)
    assert (answer.status_code, answer.text) == (200, '{"fine": 1}')


def test_hold_finds_mapped_tokens(mapped: Recorder) -> None:
    """A token that only the mapping sees holds a request; its redirect keeps the query."""
    mapped.hold("m-held")
    body = base64.b64encode(b'["m-held"]')
    sender = Thread(target=post, args=(mapped, "/collect?v=2", body), kwargs={"follow": True})
    sender.start()
    assert mapped.wait(1, token="m-held", held=True)
    mapped.release()
    sender.join(timeout=10)
    assert [e.target for e in mapped.wait(1, token="m-held", held=False)] == ["/collect?v=2&followed"]


def test_fault_finds_mapped_tokens(mapped: Recorder) -> None:
    """A token that only the mapping sees makes a request fail."""
    mapped.fault("m-500", "500")
    assert post(mapped, "/collect?v=2", base64.b64encode(b'["m-500"]')).status_code == 500


def test_mapping_that_raises_is_named(mapped: Recorder) -> None:
    """The message about a module that raises has its file, the exception and the request."""
    post(mapped, "/collect?v=2", b"bm8gSlNPTg==")
    with pytest.raises(
        MappingFault, match=r"mapping\.py: payloads\(\) raised JSONDecodeError: .*POST /collect\?v=2.*bm8gSl"
    ):
        mapped.wait(1, token="m-none")


@pytest.mark.parametrize(
    ("returned", "message"),
    [("{'n': 'One'}", "expected a list of objects, got {'n': 'One'}"), ("None", "got None"), ("[5]", "[5]")],
)
def test_what_is_no_list_of_payloads(tmp_path: Path, returned: str, message: str) -> None:
    """The message about a module that returns something else shows the value."""
    place = tmp_path / "odd.py"
    place.write_text(f"def payloads(request): return {returned}\n", encoding="utf-8")
    with Recorder(str(place)) as recorder:
        post(recorder, "/any", b"{}")
        with pytest.raises(MappingFault) as caught:
            recorder.wait(1, token="m-odd")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no function payloads(request)"),
        ("payloads = 5", "has no function payloads(request)"),
        ("def payloads(request: return", "cannot be loaded: SyntaxError"),
        ("import not_there_at_all", "cannot be loaded: ModuleNotFoundError"),
        ("ANSWER = 5\ndef payloads(request): return []", "ANSWER must be a string"),
    ],
)
def test_bad_modules_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """A module that cannot be used is named with its fault."""
    place = tmp_path / "bad.py"
    place.write_text(text, encoding="utf-8")
    with pytest.raises(BadMapping) as caught:
        PayloadMapping(str(place))
    assert (str(place) in str(caught.value), message in str(caught.value)) == (True, True), caught.value


def test_module_by_its_dotted_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dotted name is resolved from the current folder; an unknown one is refused."""
    (tmp_path / "dotted_mapping.py").write_text("def payloads(request): return []\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    assert PayloadMapping("dotted_mapping").answer is None
    with pytest.raises(BadMapping, match="no_such_mapping cannot be loaded"):
        PayloadMapping("no_such_mapping")
