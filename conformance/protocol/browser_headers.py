"""Request headers of a browser, for the lanes that post events without one."""

from collections.abc import Mapping

TEXT = "text/plain;charset=UTF-8"
"""The Content-Type of a text body. Apart from form types, only this one avoids a CORS preflight (WIRE-5)."""

_CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)


def chrome_user_agent(version: str = "156") -> str:
    """Return the User-Agent of a Chrome with a window; of ``version`` only the major number is used."""
    return _CHROME.format(version.partition(".")[0])


def browser_headers(domain: str) -> dict[str, str]:
    """Return the headers of a keepalive fetch by Chrome from a page of ``domain``, without Content-Type.

    Servers drop requests that look like a bot's: by the User-Agent, or by the lack of headers that every
    browser sends.
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
    """Return ``headers`` plus the browser's headers that are missing in it; names are case-insensitive."""
    given = {name.lower() for name in headers}
    added = {name: value for name, value in browser_headers(domain).items() if name.lower() not in given}
    return {**added, **headers}
