"""The results site: run records as static pages, badges and data, published in one step."""

from conformance.reports.site.badge import Badge
from conformance.reports.site.pages import pages
from conformance.reports.site.publish import BadFolder, publish, require_replaceable
from conformance.reports.site.records import BadRecord, Records, read_all

__all__ = [
    "BadFolder",
    "BadRecord",
    "Badge",
    "Records",
    "pages",
    "publish",
    "read_all",
    "require_replaceable",
]
