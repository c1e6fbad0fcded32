"""Faults under load, counted: what was acknowledged is stored once (STORE-5)."""
