"""What a client needs to sign in: a person at the sign-in page, and the official OAuth provider.

Runs in the environments of several versions of `mcp`, so that is imported by name.
"""

import asyncio
import re
import urllib.request
from html import unescape
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

CALLBACK = "http://localhost:33418/callback"


class _NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Person:
    """Picks one of the invented users on the page a client opens; the answer waits in `answer`."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.opened: list[str] = []
        self.answer: dict[str, str] = {}

    async def open(self, url: str) -> None:
        """Open a sign-in page, pick the user, and keep what the browser is sent back with."""
        self.opened.append(str(url))
        back = await asyncio.to_thread(self.pick, str(url))
        query = parse_qs(urlsplit(back).query)
        self.answer = {name: values[0] for name, values in query.items()}

    def pick(self, url: str) -> str:
        """Open a sign-in page and pick the user; the URL that the browser is sent back to."""
        browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NotFollowed())
        with browser.open(url, timeout=20) as page:
            html = page.read().decode()
        form = dict(re.findall(r'name="(ticket)" value="([^"]*)"', html))
        action = re.search(r'<form method="post" action="([^"]*)"', html)
        if action is None:
            raise AssertionError(f"no sign-in page: {html}")
        data = urlencode({**form, "user": self.user}).encode()
        try:
            with browser.open(urljoin(url, unescape(action[1])), data, timeout=20) as sent:
                raise AssertionError(f"not sent back: {sent.status}")
        except urllib.request.HTTPError as answered:
            location = answered.headers["location"]
            answered.close()
            return str(location)


class Storage:
    """What a client remembers: the client id it was given, and its tokens."""

    def __init__(self, client_id: str) -> None:
        self.client = import_module("mcp.shared.auth").OAuthClientInformationFull(
            client_id=client_id, redirect_uris=[CALLBACK], token_endpoint_auth_method="none"
        )
        self.tokens: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        raise AssertionError("the client registered itself, which Entra ID does not offer")


def provider(url: str, client_id: str, person: Person) -> Any:
    """The official provider, for an endpoint's URL, with a client id it was given."""
    auth = import_module("mcp.shared.auth")

    async def called_back() -> Any:
        if "code" not in person.answer:
            raise PermissionError(person.answer["error_description"])
        code, state = person.answer["code"], person.answer["state"]
        if hasattr(auth, "AuthorizationCodeResult"):
            return auth.AuthorizationCodeResult(code=code, state=state)
        return code, state  # as `mcp` 1.x wants it

    metadata = auth.OAuthClientMetadata(redirect_uris=[CALLBACK], client_name="test")
    make = import_module("mcp.client.auth").OAuthClientProvider
    return make(url, metadata, Storage(client_id), person.open, called_back)
