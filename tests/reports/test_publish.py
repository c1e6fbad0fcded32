"""Publishing of a site in one step."""

from pathlib import Path

import pytest

from conformance.reports.site import BadFolder, publish, require_replaceable
from conformance.reports.site.publishing import MARKER

OLD, NEW = {MARKER: "{}", "index.html": "old", "a/gone.html": "old"}, {MARKER: "{}", "index.html": "new"}


def files(folder: Path) -> dict[str, str]:
    """Return the texts of a folder's files by relative path."""
    return {str(p.relative_to(folder)): p.read_text("utf-8") for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("can_exchange", [True, False])
def test_the_old_site_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    """Files of the old site are gone, and nothing is left beside it."""
    if not can_exchange:
        monkeypatch.setattr("conformance.reports.site.publishing._exchanged", lambda *_: False)
    site = tmp_path / "deep" / "site"
    publish(site, OLD)
    publish(site, NEW)
    assert files(site) == NEW
    assert [path.name for path in site.parent.iterdir()] == ["site"]
    assert site.stat().st_mode & 0o077 == (tmp_path / "deep").stat().st_mode & 0o077


@pytest.mark.parametrize("moment", ["write_text", "rename", "second rename"])
def test_an_interrupted_run_leaves_the_old_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Ctrl-C while files are written, before the old site is moved, and between the two renames."""
    site = tmp_path / "site"
    publish(site, OLD)
    monkeypatch.setattr("conformance.reports.site.publishing._exchanged", lambda *_: False)
    name, left = moment.removeprefix("second "), [1 if moment.startswith("second") else 0]
    original = getattr(Path, name)

    def interrupted(self: Path, *words: object, **more: object) -> object:
        left[0] -= 1
        if left[0] == -1:
            raise KeyboardInterrupt
        return original(self, *words, **more)

    monkeypatch.setattr(Path, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish(site, NEW)
    monkeypatch.undo()
    assert files(site) == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_other_folders_are_not_replaced(tmp_path: Path) -> None:
    """A folder with files that are no site is refused, and so is a file; an empty folder is used."""
    (tmp_path / "mine").mkdir()
    publish(tmp_path / "mine", NEW)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("1", encoding="utf-8")
    with pytest.raises(BadFolder, match=MARKER):
        publish(tmp_path / "thesis", NEW)
    assert files(tmp_path / "thesis") == {"chapter": "1"}
    with pytest.raises(BadFolder, match="is a file"):
        require_replaceable(tmp_path / "thesis" / "chapter")
