"""A browser for programs that open one: `python -m tests.clients.browser USER URL`.

Picks an invented user on the sign-in page and goes where that page sends it.
"""

import sys
import urllib.request

from tests.clients.signing_in import Person


def main(user: str, url: str) -> None:
    back = Person(user).pick(url)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(back, timeout=20) as page:
        page.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
