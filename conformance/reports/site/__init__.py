"""The results site: run records as static pages, badges and data, published in one step."""

from conformance.reports.site.badges import Badge
from conformance.reports.site.publishing import BadFolder, publish, require_replaceable
from conformance.reports.site.records import BadRecord, Records, read_all
from conformance.reports.site.rendering import pages

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
