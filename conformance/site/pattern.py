"""Matches of a plan's patterns with a time limit: a pattern may take years for a text of forty characters."""

import atexit
import json
import re
import subprocess
import sys
from functools import cache
from threading import Timer

SECONDS = 5.0
_HARMLESS_LENGTH, _LONG = 16, 2000
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_OPEN_REPEAT = re.compile(r"[*+?]|\{\d*,")
_CHILD = """
import json, re, sys
print(flush=True)
for line in sys.stdin:
    pattern, text = json.loads(line)
    print(int(re.fullmatch(pattern, text) is not None), flush=True)
"""


class PatternTooSlow(Exception):
    """A match took longer than ``SECONDS``."""


def matches(pattern: str, text: str) -> bool:
    """Return True if the whole text matches a regular expression. Raises PatternTooSlow.

    A pattern that can match a text in many ways runs in a process of its own: Python cannot stop a match.
    """
    if _is_quick(pattern, text):
        return re.fullmatch(pattern, text) is not None
    return _matcher().matches(pattern, text)


def _is_quick(pattern: str, text: str) -> bool:
    """Return True if a match takes at most quadratic time; False if it is not certain."""
    if len(text) <= _HARMLESS_LENGTH:
        return True
    repeats = len(_OPEN_REPEAT.findall(pattern))
    return len(text) <= _LONG and repeats < 3 and not _REPEATED_GROUP.search(pattern)


class _Matcher:
    """A process that matches; it ends with this one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        atexit.register(self._end)

    def matches(self, pattern: str, text: str) -> bool:
        """Return True if the whole text matches. Raises PatternTooSlow, and ends the process then."""
        process = self._process = self._process or self._started()
        assert process.stdin
        assert process.stdout
        timer = Timer(SECONDS, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps([pattern, text]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        finally:
            timer.cancel()
        if not answer:
            self._end()
            raise PatternTooSlow
        return answer.strip() == "1"

    @staticmethod
    def _started() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="ascii",
        )
        assert process.stdout
        process.stdout.readline()  # It is running: its start does not count.
        return process

    def _end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


@cache
def _matcher() -> _Matcher:
    return _Matcher()
