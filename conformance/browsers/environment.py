"""The environment that browsers are started in: pages under test are on this machine, behind no proxy."""

import os

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "socks_proxy")


def without_proxies() -> dict[str, str]:
    """Return this process's environment without the variables that name a proxy, in whatever case."""
    return {name: value for name, value in os.environ.items() if name.lower() not in _PROXIES}
