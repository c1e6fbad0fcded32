"""The authorities that HTTPS connections of this process trust."""

import ssl
from functools import cache

import httpx


@cache
def trusted_authorities() -> ssl.SSLContext:
    """Return httpx's default settings for TLS, to be shared by its clients.

    Otherwise each client reads the certificates of all authorities: 0.02 CPU seconds, also to use plain HTTP.
    """
    return httpx.create_ssl_context(trust_env=False)
