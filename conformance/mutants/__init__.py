"""Self-test of the suite: references, mutants, nulls and an independent pair, run by `clickport check`."""
