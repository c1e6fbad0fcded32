"""Processes of the server: start, supervision and connections."""
