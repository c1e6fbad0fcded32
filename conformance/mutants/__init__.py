"""The referee on trial: references, faults, nulls and an independent pair, run by the command that users run."""
