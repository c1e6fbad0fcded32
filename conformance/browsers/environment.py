"""Environment variables of browser processes: without proxies, since pages under test are on this machine."""

import os

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "socks_proxy")


def without_proxies() -> dict[str, str]:
    """Return the environment of this process without proxy variables, in upper or lower case."""
    return {name: value for name, value in os.environ.items() if name.lower() not in _PROXIES}
