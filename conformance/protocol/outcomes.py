"""Exceptions that a check, a target or the suite ends a case with; each has its status in the verdict."""


class Violation(AssertionError):
    """The target did what the requirement forbids, or not what it demands. The text says what was seen."""


class NotTestable(Exception):
    """The requirement cannot be observed here (no readback, say); never green for a MUST."""


class NotAsked(Exception):
    """The requirement does not speak of such a target, for the reason in the text."""


class LeftOut(Exception):
    """The case need not be run, for the reason in the text."""


class SuiteFault(RuntimeError):
    """The referee could not do its own work: its negative control did not behave, say."""


class TargetUnavailable(RuntimeError):
    """A target could not be reached, started or read, or it died: exit code 3, no verdict."""
