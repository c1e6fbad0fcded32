"""The context and the instruments of a run."""
