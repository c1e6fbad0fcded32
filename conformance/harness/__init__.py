"""The context of a run, and the instruments that its checks use."""
