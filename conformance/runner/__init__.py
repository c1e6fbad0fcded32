"""Runs of the suite: the pytest session of the checks, and its record."""
