"""Exceptions that end a case; each one maps to a status in the verdict."""


class Violation(AssertionError):
    """A requirement that the target violates; the message states what was observed."""


class NotTestable(Exception):
    """A requirement that cannot be observed in this run, for example without a readback.

    It never counts as passed for a MUST.
    """


class NotAsked(Exception):
    """A requirement that does not apply to this target; the message gives the reason."""


class LeftOut(Exception):
    """A case that need not be run; the message gives the reason."""


class SuiteFault(RuntimeError):
    """A failure of the suite itself, for example of its negative control."""


class TargetUnavailable(RuntimeError):
    """A target that could not be reached, started or read, or that died: exit code 3, no verdict."""
