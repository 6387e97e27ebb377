"""One connection pool for the tokens of many: nothing of one answer is in another's request."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared.credentials.entra_http import Busy, EntraHttp

Seen = list[tuple[str, str | None]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: Seen

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Cookie")))
        status = int(self.path.strip("/"))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Set-Cookie", "whose=of-user-1; Path=/")
        self.send_header("Location", "/200")
        self.send_header("Retry-After", "7")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
def url(seen: Seen) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def http() -> Iterator[EntraHttp]:
    made = EntraHttp()
    yield made
    made.close()


def test_no_cookie_is_kept(http: EntraHttp, url: str, seen: Seen) -> None:
    for _ in range(2):
        http.get(f"{url}/200")
    assert seen == [("/200", None)] * 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(http: EntraHttp, url: str, seen: Seen, status: int) -> None:
    """It would carry secrets and tokens to where it says."""
    assert http.get(f"{url}/{status}").status_code == status
    assert [path for path, _ in seen] == [f"/{status}"]


def test_no_header_reaches_msal_which_would_keep_the_answer(http: EntraHttp, url: str) -> None:
    assert http.get(f"{url}/200").headers == {}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_who_is_busy_says_for_how_long(http: EntraHttp, url: str, status: int) -> None:
    with pytest.raises(Busy, match=f"status {status}") as caught:
        http.get(f"{url}/{status}")
    assert caught.value.retry_after == 7
