"""Delivery of events from the outbox to ClickHouse, each exactly once."""
