"""Queries over stored events, and the settings of a site."""
