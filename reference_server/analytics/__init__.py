"""Queries over stored events, and what people set for a site."""
