"""Tools for people who call ``track()`` in a site: plan, audit, pytest fixture, watch."""
