"""The pages people see: who to be, and what went wrong. Plain HTML; nothing loaded, no script."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from development.directory import User
from shared.http import Response

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem;
  color: #1b1b1b; background: #fff }
button { display: block; width: 100%; margin: .75rem 0; padding: .75rem 1rem; text-align: left;
  font: inherit; color: inherit; background: #f4f6f8; border: 1px solid #8a949e;
  border-radius: .4rem; cursor: pointer }
button:hover, button:focus { background: #e3eaf2; border-color: #0b57a4 }
b { display: block } small { display: block; color: #45505a } code { overflow-wrap: anywhere }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class Choice:
    """A user to pick, and what the client will be given for them."""

    user: User
    scopes: Sequence[str]
    roles: Sequence[str]


def sign_in(
    action: str,
    ticket: str,
    client: str,
    redirect_uri: str,
    asked: Sequence[str],
    choices: Sequence[Choice],
    hinted: User | None,
) -> Response:
    """The page on which somebody picks who to be. `ticket` makes its form good for one use."""
    buttons = "".join(_button(choice, focused=choice.user == hinted) for choice in choices)
    wanted = ", ".join(f"<code>{escape(scope)}</code>" for scope in asked) or "to sign you in"
    body = f"""<h1>Who do you want to be?</h1>
<p><strong>{escape(client)}</strong> asks for {wanted} and will get its answer at
<code>{escape(_origin(redirect_uri))}</code>.</p>
<form method="post" action="{escape(action)}">
<input type="hidden" name="ticket" value="{escape(ticket)}">
{buttons}<button name="user" value=""><b>Cancel</b><small>Send the client away empty-handed.</small>
</button></form>
<p><small>This is Postern's development identity. It runs on this machine, its people are invented
and its tokens are worth nothing elsewhere.</small></p>"""
    return _page(200, "Sign in", body, _form_targets(redirect_uri))


def hand_over(redirect_uri: str, answer: Mapping[str, str]) -> Response:
    """The page that takes an answer to the client by POST (OAuth 2.0 Form Post Response Mode).

    Entra's submits itself, for which it runs a script; this one has a button.
    """
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">\n'
        for name, value in answer.items()
    )
    body = f"""<h1>Back to the application</h1>
<form method="post" action="{escape(redirect_uri)}">
{fields}<button autofocus><b>Continue</b><small>at {escape(_origin(redirect_uri))}</small></button>
</form>"""
    return _page(200, "Continue", body, _form_targets(redirect_uri))


def failure(text: str, marks: str) -> Response:
    """The page for an error that must not be sent to the client's redirect URI."""
    body = f"""<h1>You cannot be signed in</h1>
<p>{escape(text)}</p><p><small>{escape(marks)}</small></p>"""
    return _page(400, "Sign-in error", body, "'none'")


def _button(choice: Choice, *, focused: bool) -> str:
    user = choice.user
    gets = [
        f"Scopes: {', '.join(choice.scopes) or 'none'}",
        f"Roles: {', '.join(choice.roles) or 'none'}",
    ]
    return f"""<button name="user" value="{escape(user.login)}"{" autofocus" if focused else ""}>
<b>{escape(user.name)}</b>{escape(user.about)}
<small>{escape(user.login)}. {escape(". ".join(gets))}.</small></button>
"""


def _origin(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    return f"{parts.scheme}://{parts.netloc}"


def _form_targets(redirect_uri: str) -> str:
    """Where the form may lead: here, and on to the client (browsers check redirects as well)."""
    origin = _origin(redirect_uri)
    # A source cannot be written with an IPv6 address.
    return f"'self' {'http:' if '[' in origin else origin}"


def _page(status: int, title: str, body: str, form_action: str) -> Response:
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>
<body>{body}</body></html>
"""
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        f"form-action {form_action}; frame-ancestors 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        # Not no-referrer: with that, browsers send the form with Origin: null.
        "Referrer-Policy": "same-origin",
    }
    return Response(status, headers, html.encode())
