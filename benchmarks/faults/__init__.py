"""Faults of processes, disks, network and clock under load, and the events that they cost (STORE-5)."""
