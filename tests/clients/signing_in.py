"""A person at the sign-in page, for clients that open one."""

import re
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2


class Person:
    """Picks one of the invented users on the page a client opens; the answer waits in `answer`."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.opened: list[str] = []
        self.answer: dict[str, str] = {}

    async def open(self, url: str) -> None:
        """Open a sign-in page, pick the user, and keep what the browser is sent back with."""
        self.opened.append(url)
        async with httpx2.AsyncClient(timeout=20, trust_env=False) as browser:
            page = await browser.get(url)
            form = dict(re.findall(r'name="(ticket)" value="([^"]*)"', page.text))
            action = re.search(r'<form method="post" action="([^"]*)"', page.text)
            if action is None:
                raise AssertionError(f"no sign-in page: {page.status_code} {page.text}")
            sent = await browser.post(
                urljoin(url, unescape(action[1])), data={**form, "user": self.user}
            )
        back = urlsplit(sent.headers["location"])
        self.answer = {name: values[0] for name, values in parse_qs(back.query).items()}
