"""The dashboard, the JSON API and the live stream."""
