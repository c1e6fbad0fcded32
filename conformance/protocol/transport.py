"""The protocol that browsers and the recorder speak unless a run names another."""

DEFAULT_PROTOCOL = "http1"
"""HTTP/1.1 without TLS: the protocol of a run whose options name none, and of records that know no other."""
