"""``make certificate``: a step counts on unchanged sources only, and the page says what was not run."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.certificate import Step, StepResult, digest, last, page, run, steps

HERE = [("memory", "24 GB")]


def _table(folder: Path) -> Iterator[str]:
    yield (folder / "fine.log").read_text(encoding="utf-8").strip()


FINE = Step(title="A fine step", words=("-c", "print('| all | well |')"), render=_table, sources=("LICENSE",))
BAD = replace(FINE, title="A bad step", words=("-c", "raise SystemExit(3)"))


def test_the_page_has_each_step(tmp_path: Path) -> None:
    """Steps that passed, failed or were not run are distinguished, with their commands."""
    chosen = {"fine": FINE, "bad": BAD, "open": replace(FINE, title="An open step")}
    ends = {"fine": run("fine", FINE, tmp_path), "bad": run("bad", BAD, tmp_path), "open": None}
    sections = page(chosen, ends, tmp_path, HERE).split("\n## ")
    assert "| memory | 24 GB |" in sections[0]
    assert [section.partition("\n")[0] for section in sections[1:]] == [
        step.title for step in chosen.values()
    ]
    assert "passed" in sections[1]
    assert "| all | well |" in sections[1]
    assert "exit code 3" in sections[2]
    assert "raise SystemExit(3)" in sections[2]
    assert "Not run." in sections[3]


def test_a_step_is_current_on_its_sources_only(tmp_path: Path) -> None:
    """A finished step is current until the sources change; then the page says so, with its commit."""
    assert last("fine", FINE, tmp_path) is None
    ended = run("fine", FINE, tmp_path)
    assert last("fine", FINE, tmp_path) == replace(ended, words=list(FINE.words))
    assert last("fine", BAD, tmp_path) is None
    assert ended.current(FINE)
    assert re.fullmatch(r"[0-9a-f]+", ended.commit)  # LICENSE has not changed, whatever else has.
    assert digest(FINE.sources) == ended.sources != digest(("README.md",))
    assert "changed since" not in page({"fine": FINE}, {"fine": ended}, tmp_path, HERE)
    older = replace(ended, sources="another tree", commit="0123abc")
    (tmp_path / "fine.end.json").write_text(json.dumps(vars(older)), encoding="utf-8")
    found = last("fine", FINE, tmp_path)
    assert found
    assert not found.current(FINE)
    text = page({"fine": FINE}, {"fine": found}, tmp_path, HERE)
    assert "commit 0123abc, and the sources have changed since." in text


def test_records_of_another_shape_do_not_end_the_page(tmp_path: Path) -> None:
    """If the records of a step are missing, its section says so."""
    check = steps(5)["check-firefox"]
    assert "5 tries" in check.title
    ended = StepResult(words=check.words, code=0, seconds=100, ended="2026-11-29", sources="")
    text = page({"check-firefox": check}, {"check-firefox": ended}, tmp_path, HERE)
    assert "The records of this step cannot be read" in text
    assert "2 min" in text
