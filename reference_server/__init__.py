"""The reference implementation of an ingest server for the Clickport custom-events protocol."""
