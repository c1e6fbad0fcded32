"""Conversion of a request to a row in the outbox."""
