"""The load lane: sends at a rate, follows each event to its row, and measures on the way (STORE-5)."""
