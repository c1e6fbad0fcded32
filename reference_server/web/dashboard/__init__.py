"""The dashboard: a Flask blueprint, its templates and its static files."""

from reference_server.web.dashboard.views import dashboard

__all__ = ["dashboard"]
