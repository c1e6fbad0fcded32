"""Runs of the suite: the pytest session and its result."""
