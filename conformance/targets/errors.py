"""What goes wrong with a target before anything can be said about its conformance."""


class TargetUnavailable(RuntimeError):
    """A target could not be reached, started or read, or died: exit code 3, no verdict."""
