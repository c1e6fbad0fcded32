"""The headers of a request that a browser sends for a tracker, for lanes that post without one."""

from collections.abc import Mapping

TEXT = "text/plain;charset=UTF-8"
"""The Content-Type of a text body: the only type beside forms that needs no preflight (WIRE-5)."""

_CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)


def chrome_user_agent(version: str = "156") -> str:
    """Return the User-Agent of a Chrome with a window; of ``version`` only the first number counts."""
    return _CHROME.format(version.partition(".")[0])


def browser_headers(domain: str) -> dict[str, str]:
    """Return what Chrome sends with a keepalive fetch from a page of ``domain``, without a Content-Type.

    Servers drop what looks like a bot: by the User-Agent, or by headers that every browser sends.
    """
    return {
        "User-Agent": chrome_user_agent(),
        "Accept": "*/*",
        "Accept-Language": "en-US,en;q=0.9",
        "Accept-Encoding": "gzip, deflate",
        "Origin": f"https://{domain}",
        "Referer": f"https://{domain}/",
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Dest": "empty",
    }


def with_browser_headers(headers: Mapping[str, str], domain: str) -> dict[str, str]:
    """Return ``headers`` completed with those of a browser; what is given stays, whatever its case."""
    given = {name.lower() for name in headers}
    added = {name: value for name, value in browser_headers(domain).items() if name.lower() not in given}
    return {**added, **headers}
