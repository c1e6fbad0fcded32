"""Alias of ``conformance.pytest_plugin`` for one release: ``-p conformance.plugin`` goes on working."""

import sys

from conformance import pytest_plugin

sys.modules[__name__] = pytest_plugin
