"""Removal of passwords, keys and tokens from everything that is printed or stored."""

import base64
import html
import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

HIDDEN = "***"

CLICKHOUSE_USER, CLICKHOUSE_PASSWORD = "CLICKPORT_CLICKHOUSE_USER", "CLICKPORT_CLICKHOUSE_PASSWORD"
DASHBOARD_KEY = "CLICKPORT_DASHBOARD_KEY"
"""Environment variables that supply credentials instead of an option."""

_SHORTEST = 4  # Shorter texts occur by chance; hiding them would make reports useless.
_TELLING = (
    r"[\w.-]*(?:passw(?:or)?d|passwd|pwd|passphrase|token|secret|credentials?|signature|auth|(?<![a-z])key)"
)
_VALUE = r"""(?P<value>[^\s'"&;,}]+)"""
_PATTERNS = (
    re.compile(rf"(?P<name>{_TELLING})[\"']?\s*[=:]\s*[\"']?{_VALUE}", re.IGNORECASE),
    re.compile(rf"--?(?P<name>{_TELLING})\s+[\"']?{_VALUE}", re.IGNORECASE),
    re.compile(rf"(?P<name>Bearer|Basic)\s+{_VALUE}", re.IGNORECASE),
)
_USERINFO = re.compile(r"://(?P<user>[^/\s'\"?#:@]*)(?::(?P<password>[^/\s'\"?#]*))?@")
_WORD = re.compile(r"[^\s'\"]+")
_SEGMENT = re.compile(r"[^/]+")


@dataclass(frozen=True)
class Secret:
    """A text that must not be shown, and the environment variable that replaces it in a command."""

    text: str
    variable: str


def secrets_in(option: str, value: str) -> list[Secret]:
    """Return the secrets in the value of an option: credentials in URLs, and values named like a secret."""
    prefix = f"CLICKPORT_{option.upper()}"
    found = []
    for match in _USERINFO.finditer(value):
        user, password = match["user"], match["password"]
        # A user without a password is a token, except for ClickHouse: its password may be in the environment.
        if password:
            found.append(Secret(password, f"{prefix}_PASSWORD"))
        elif user and option != "clickhouse":
            found.append(Secret(user, f"{prefix}_USER"))
    for pattern in _PATTERNS:
        for match in pattern.finditer(value):
            name = re.sub(r"\W", "_", match["name"]).strip("_")
            variable = name if name.isupper() else f"{prefix}_{name.upper()}"
            if not match["value"].startswith(("$", "{", "//")):
                found.append(Secret(match["value"], variable))
    return list(dict.fromkeys(found))


def shell_word(option: str, value: str) -> str:
    """Return the value of an option quoted for a shell, each secret replaced by its environment variable."""
    if option == "clickhouse":
        value = without_password(value)
    parts: list[str | Secret] = [value]
    for secret in sorted(secrets_in(option, value), key=lambda each: -len(each.text)):
        parts = [piece for part in parts for piece in _split(part, secret)]
    words = (
        f'"${part.variable}"' if isinstance(part, Secret) else shlex.quote(part) for part in parts if part
    )
    return "".join(words) or "''"


def without_password(url: str) -> str:
    """Return a URL without its password; the user is kept."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{userinfo.partition(':')[0]}{at}{host}"))


def masked(text: str) -> str:
    """Return text with everything hidden that may be the credentials of a URL, even of a malformed one.

    Takes time in proportion to the text, whatever it is.
    """
    return _WORD.sub(lambda word: _masked_word(word[0]), text)


def _masked_word(word: str) -> str:
    """Hide what is between ``//`` and the last ``@`` of a word, and each ``user:password@`` elsewhere."""
    before, at, host = word.rpartition("@")
    if not at:
        return word
    scheme, slashes, _ = before.partition("//")
    shown = f"{scheme}//{HIDDEN}" if slashes else before
    return "".join(f"{_masked_login(piece)}@" for piece in shown.split("@")) + host


def _masked_login(text: str) -> str:
    """Hide a text from the user on that a colon and a password follow."""
    for segment in _SEGMENT.finditer(text):
        colon = segment[0].find(":", 1)
        after = segment.start() + colon + 1
        if colon > 0 and after < len(text) and not text.startswith("//", after):
            return f"{text[: segment.start()]}{HIDDEN}"
    return text


class Redaction:
    """Replacement of known secrets in texts and plain data by ``***``."""

    def __init__(self, secrets: Iterable[Secret] = (), logins: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret.text)}
        forms |= {base64.b64encode(login.encode()).decode() for login in logins}
        longest_first = sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Redaction":
        """Return a redaction of the secrets in these options and in the environment variables."""
        texts = [(name, value) for name, value in given.items() if isinstance(value, str)]
        secrets = [secret for name, value in texts for secret in secrets_in(name, value)]
        if key := given.get("dashboard_key"):
            secrets.append(Secret(str(key), DASHBOARD_KEY))
        for variable in (CLICKHOUSE_PASSWORD, DASHBOARD_KEY):
            if value := os.environ.get(variable):
                secrets.append(Secret(value, variable))
        user = os.environ.get(CLICKHOUSE_USER, "default")
        logins = [f"{user}:{secret.text}" for secret in secrets]
        for _, value in texts:
            logins += [
                f"{unquote(m['user'])}:{unquote(m['password'] or '')}" for m in _USERINFO.finditer(value)
            ]
        return cls(secrets, logins)

    def text(self, text: str) -> str:
        """Return ``text`` with each secret replaced."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def data(self, value: Any) -> Any:
        """Return plain data with each secret replaced, in keys as well."""
        if self._pattern is None:
            return value
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {self.data(key): self.data(member) for key, member in value.items()}
            case list() | tuple():
                return type(value)(self.data(member) for member in value)
        return value


def _forms(secret: str) -> set[str]:
    """Return the forms in which a secret may occur: plain, and quoted for a URL, for JSON and for HTML."""
    plain = {secret, unquote(secret)}
    quoted = {quote(each, safe="") for each in plain} | {json.dumps(each)[1:-1] for each in plain}
    return plain | quoted | {html.escape(each) for each in plain}


def _split(part: str | Secret, secret: Secret) -> list[str | Secret]:
    if isinstance(part, Secret):
        return [part]
    pieces: list[str | Secret] = []
    for number, piece in enumerate(part.split(secret.text)):
        pieces += [secret, piece] if number else [piece]
    return pieces
