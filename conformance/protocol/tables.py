"""The rule for names of tables."""

import re

TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
"""``table`` or ``database.table``."""
