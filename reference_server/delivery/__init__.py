"""From the outbox to ClickHouse, exactly once."""
