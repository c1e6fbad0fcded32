"""The secret that the nodes of a server share: it signs logins and makes the visitors' ids of a day."""

import fcntl
import hmac
import os
import secrets
from pathlib import Path

LEAST_BYTES = 32
_NEW = "openssl rand -hex 32 > {0} && chmod 600 {0}"


class SecretUnusable(ValueError):
    """The secret cannot be read or must not be used; the message names the file and the way out."""


def read_secret(file: Path, *, create: bool) -> bytes:
    """Return the content of the file without white space at its ends.

    A missing file is created if ``create``, complete from the moment it has its name. Raises
    SecretUnusable if it is missing otherwise, too short, or accessible to other users.
    """
    try:
        if create and not file.exists():
            _create(file)
        with file.open("rb") as opened:
            mode, secret = os.fstat(opened.fileno()).st_mode, opened.read().strip()
    except FileNotFoundError:
        raise SecretUnusable(
            f"the secret file {file} does not exist: copy it from another node, "
            f"or create it once ({_NEW.format(file)}) and copy it to all nodes"
        ) from None
    except OSError as error:
        raise SecretUnusable(f"the secret file {file} cannot be read: {error.strerror or error}") from error
    if mode & 0o077:
        raise SecretUnusable(
            f"the secret file {file} is accessible to other users (mode {mode & 0o777:04o}): chmod 600 {file}"
        )
    if len(secret) < LEAST_BYTES:
        raise SecretUnusable(
            f"the secret file {file} has {len(secret)} bytes and needs {LEAST_BYTES}: {_NEW.format(file)} "
            "(then everybody logs in again)"
        )
    return secret


def derived(secret: bytes, purpose: str) -> bytes:
    """Return a key for one purpose, which reveals neither the secret nor another key (HMAC-SHA256)."""
    return hmac.digest(secret, purpose.encode(), "sha256")


def _create(file: Path) -> None:
    """Create the file, unless another process is faster. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if file.exists():
            return
        draft = file.with_name(f"{file.name}.new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(f"{secrets.token_hex(LEAST_BYTES)}\n")
            opened.flush()
            os.fsync(opened.fileno())  # An empty file after a power cut would end all logins.
        draft.rename(file)
        os.fsync(folder)
    finally:
        os.close(folder)
