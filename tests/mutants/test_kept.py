"""``selftest --changed``: a result is used again only as long as nothing that it depends on has changed."""

from dataclasses import replace
from pathlib import Path

import pytest

from conformance.mutants import kept
from conformance.mutants.implementations import Edit, Implementation, ImplementationKind
from conformance.mutants.kept import KeptResults
from conformance.mutants.matrix import MutantResult
from conformance.protocol.requirements import Lane

EDIT = Edit(file="tracker/tracker.js", find="30", replace="31")
TRACKER = Implementation(
    name="t", kind=ImplementationKind.MUTANT, lanes=(Lane.TRACKER,), edit=EDIT, fails=("PROP-2",)
)
SERVER = replace(TRACKER, name="s", lanes=(Lane.SERVER,))
QUICK = ("quick",)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the sources that results depend on, in place of the project's own."""
    places = {name: tmp_path / name for name in ("harness", "tracker", "server")}
    for place in places.values():
        place.mkdir()
        (place / "file").write_text("as it was", encoding="utf-8")
    monkeypatch.setattr(kept, "_HARNESS", places["harness"])
    monkeypatch.setattr(kept, "bundled", lambda name: places["tracker" if name == "tracker" else "harness"])
    monkeypatch.setattr(kept, "reference_server", lambda: places["server"])
    _forget()
    return tmp_path


def _forget() -> None:
    """Forget the digests, as a new process does."""
    for cached in (kept._of_files, kept._harness, kept._packages):
        cached.cache_clear()


def known(place: Path, *subjects: Implementation) -> set[str]:
    """Return the names of the implementations whose results a new process finds in the file."""
    _forget()
    results = KeptResults(place, QUICK)
    return {subject.name for subject in subjects if results.of(subject)}


@pytest.mark.parametrize(
    ("changed", "left"), [("harness", set()), ("tracker", {"s"}), ("server", {"t"}), ("", {"s", "t"})]
)
def test_what_has_changed_is_run_again(sources: Path, changed: str, left: set[str]) -> None:
    """A change of the harness concerns all, one of the tracker or the server those of its lanes."""
    place = sources / "kept.json"
    for subject in (TRACKER, SERVER):
        KeptResults(place, QUICK).keep(MutantResult(subject=subject, seconds=1.5, killed=subject.lanes))
    if changed:
        (sources / changed / "file").write_text("changed", encoding="utf-8")
    assert known(place, TRACKER, SERVER) == left


def test_a_kept_result_is_the_same(sources: Path) -> None:
    """The result is returned as it was, marked as kept, for the same mutant and options only."""
    place = sources / "kept.json"
    result = MutantResult(subject=TRACKER, seconds=1.5, killed=TRACKER.lanes, others=("PROP-5",))
    KeptResults(place, QUICK).keep(result)
    assert KeptResults(place, QUICK).of(TRACKER) == replace(result, kept=True)
    assert KeptResults(place, ("own",)).of(TRACKER) is None
    edited = replace(TRACKER, edit=replace(EDIT, replace="32"))
    assert KeptResults(place, QUICK).of(edited) is None


def test_a_problem_is_never_kept(sources: Path) -> None:
    """A mutant that survived is run again, also if it was killed before; a broken file says nothing."""
    place = sources / "kept.json"
    fine = MutantResult(subject=TRACKER, seconds=1, killed=TRACKER.lanes)
    KeptResults(place, QUICK).keep(fine)
    KeptResults(place, QUICK).keep(replace(fine, killed=(), problems=("PROP-2 did not fail",)))
    assert known(place, TRACKER) == set()
    for broken in ("", "[]", '{"t": 5}', '{"t": {"digest": 1}}'):
        place.write_text(broken, encoding="utf-8")
        assert known(place, TRACKER) == set()
