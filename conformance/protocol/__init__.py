"""The protocol: requirements, cases, and how observations are matched with them."""
