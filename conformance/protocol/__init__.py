"""The protocol: requirements, cases, payloads, and the matching of observed with expected values."""
