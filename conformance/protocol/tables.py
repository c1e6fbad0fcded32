"""The rule for table names."""

import re

TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
"""``table`` or ``database.table``."""
