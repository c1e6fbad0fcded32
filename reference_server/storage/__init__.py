"""ClickHouse: the embedded server, clients by URL, and the schema."""
