"""The secret that nodes share: created once, complete, and for this user only."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reference_server.secret_file import SecretUnusable, derived, read_secret


def test_it_is_created_once(tmp_path: Path) -> None:
    """Processes that start at once agree; the file is for its user only, and the next start reads it."""
    file = tmp_path / "state" / "secret"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: read_secret(file, create=True), range(8)))
    assert (len(found), len(*found), file.stat().st_mode & 0o777) == (1, 64, 0o600)
    assert [each.name for each in file.parent.iterdir()] == ["secret"]
    assert found == {read_secret(file, create=False)}


@pytest.mark.parametrize(
    ("mode", "text", "reason"),
    [
        (0o644, "s" * 32, r"accessible to other users \(mode 0644\): chmod 600 {file}"),
        (0o640, "s" * 32, r"accessible to other users \(mode 0640\)"),
        (0o600, "s" * 31 + "\n", "{file} has 31 bytes and needs 32: openssl rand"),
        (0o600, "", "{file} has 0 bytes and needs 32"),
    ],
)
def test_an_unsafe_one_is_refused(tmp_path: Path, mode: int, text: str, reason: str) -> None:
    """The message names the file and the way out, and does not show the secret."""
    file = tmp_path / "secret"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(SecretUnusable, match=reason.format(file=file)) as told:
        read_secret(file, create=True)
    assert "sss" not in str(told.value)


def test_a_given_one_is_never_invented(tmp_path: Path) -> None:
    """Otherwise each node would have another one, unnoticed."""
    with pytest.raises(
        SecretUnusable, match=r"does not exist: copy it from another node.*openssl rand -hex 32"
    ):
        read_secret(tmp_path / "secret", create=False)
    with pytest.raises(SecretUnusable, match="cannot be read: Is a directory"):
        read_secret(tmp_path, create=False)


def test_each_purpose_has_its_own_key() -> None:
    """The key of one purpose does not reveal that of another."""
    keys = {derived(b"s" * 32, purpose) for purpose in ("cookies", "visitors of 2026-11-29")}
    assert {*map(len, keys), len(keys)} == {32, 2}
