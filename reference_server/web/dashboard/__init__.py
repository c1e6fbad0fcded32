"""The pages that people see: a Flask blueprint, its templates, and the files that browsers load with them."""

from reference_server.web.dashboard.views import dashboard

__all__ = ["dashboard"]
