"""Processes of the server: start, supervision, connections."""
