"""The referee on trial: references, faults, nulls and an independent pair, run by the users' own command."""
