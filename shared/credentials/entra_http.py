"""HTTP for MSAL: one connection pool for the tokens of many people, so nothing is remembered.

MSAL answers from a memory of its own where a response told when to come again, whoever asks; what
this client returns never does, so that nobody gets what was said to somebody else. It keeps no
cookies and follows no redirect either.
"""

from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
_DEFAULT_WAIT = 5.0


class Busy(Exception):
    """Entra wants to be left alone (429) or is ill (5xx). `retry_after` is in seconds."""

    def __init__(self, status: int, retry_after: float) -> None:
        super().__init__(f"status {status}")
        self.retry_after = retry_after


class Answer:
    """A response as MSAL reads it."""

    def __init__(self, status: int, text: str) -> None:
        self.status_code = status
        self.text = text
        self.headers: dict[str, str] = {}

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise requests.HTTPError(f"status {self.status_code}")


class EntraHttp:
    """MSAL's `HttpClient`. `trusted` is a file of certificate authorities; None: the usual ones."""

    def __init__(self, trusted: str | None = None) -> None:
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._trusted = trusted

    def get(
        self, url: str, params: Any = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> Answer:
        return self._send("GET", url, params=params, headers=headers)

    def post(
        self,
        url: str,
        params: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> Answer:
        return self._send("POST", url, params=params, data=data, headers=headers)

    def close(self) -> None:
        self._session.close()

    def _send(self, method: str, url: str, **given: Any) -> Answer:
        if self._trusted is not None:
            given["verify"] = self._trusted
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        response = self._session.request(
            method, url, timeout=timeout, allow_redirects=False, **given
        )
        if response.status_code == 429 or response.status_code >= 500:
            raise Busy(response.status_code, _wait(response.headers.get("Retry-After", "")))
        return Answer(response.status_code, response.text)


def _wait(header: str) -> float:
    """Seconds of a Retry-After header (RFC 9110 section 10.2.3); Entra gives them as a number."""
    return float(header) if header.isascii() and header.isdecimal() else _DEFAULT_WAIT
