"""The authorization endpoint: who signs in, and the code the client gets for it.

Authorization code with PKCE (RFC 6749 section 4.1, RFC 7636) and loopback redirects (RFC 8252).
"""

import dataclasses
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from development import page, scopes
from development.directory import USERS, Client, User, user_named
from development.errors import Refused, members, refusal
from development.form import Form
from development.grants import Code, Grants, contexts_in, user_scopes
from development.registration import Registration
from development.scopes import Asked
from development.stores import Gone, SingleUse
from development.tokens import Grant
from shared.http import Response, is_loopback

_log = logging.getLogger("postern.development")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_PROMPTS = {"none", "login", "select_account", "consent"}
_PAGE_SECONDS = 600.0
_MOST = 200


@dataclass(frozen=True, slots=True)
class Request:
    """An authorization request whose client and redirect URI are right.

    What goes wrong with it from here on is told to the client.
    """

    client: Client
    redirect_uri: str
    state: str | None
    by_post: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """An authorization request without fault, waiting for somebody to sign in."""

    request: Request
    asked: Asked
    challenge: str
    resource: str | None
    nonce: str | None
    contexts: tuple[str, ...]


class Authorization:
    """The endpoint, and the sign-in pages that are open."""

    def __init__(
        self, registration: Registration, grants: Grants, now: Callable[[], float]
    ) -> None:
        self._registration = registration
        self._grants = grants
        self._now = now
        self.pages: SingleUse[Pending] = SingleUse(_PAGE_SECONDS, _MOST, now)

    def begin(self, form: Form, action: str, correlation_id: str) -> Response:
        """Answer an authorization request: a page, or at once with `prompt=none`.

        Raises Refused for what must not reach a redirect URI: an unknown client, or a URI that is
        not on this machine (RFC 6749 section 4.1.2.1).
        """
        request = self._request(form)
        try:
            pending = self._pending(form, request)
            prompts = set((form.get("prompt") or "").split())
            if not prompts <= _PROMPTS or ("none" in prompts and len(prompts) > 1):
                raise refusal(9002313)
            hint = form.get("login_hint")
            user = user_named(hint) if hint else None
            if "none" in prompts:
                if user is None:
                    raise refusal(50058, "Name one of the invented users in login_hint.")
                return self._signed_in(pending, user)
        except Refused as refused:
            return self._sent_back(request, refused, correlation_id)
        asked = pending.asked
        choices = [
            page.Choice(
                user, user_scopes(user, asked, self._registration), self._roles(asked, user)
            )
            for user in USERS
        ]
        wanted = [*asked.scopes, *sorted(asked.oidc)]
        return page.sign_in(
            action,
            self.pages.put(pending),
            request.client.name,
            request.redirect_uri,
            wanted,
            choices,
            user,
        )

    def picked(self, form: Form, correlation_id: str) -> Response:
        """Answer the form of a sign-in page. Raises Refused when that was used or is too old."""
        try:
            pending = self.pages.take(form.need("ticket"))
        except Gone:
            told = "This sign-in page was used or is too old; begin again in your client."
            raise refusal(9002313, told) from None
        name = form.get("user")
        user = user_named(name) if name else None
        try:
            if user is None:
                raise refusal(65004)
            return self._signed_in(pending, user)
        except Refused as refused:
            return self._sent_back(pending.request, refused, correlation_id)

    def _request(self, form: Form) -> Request:
        client_id, redirect_uri = form.need("client_id"), form.need("redirect_uri")
        client = self._registration.client(client_id)
        if client is None:
            raise refusal(700016, client_id)
        if not client.public or not _on_this_machine(redirect_uri):
            raise refusal(50011, redirect_uri, client.id)
        by_post = form.get("response_mode") == "form_post"
        return Request(client, redirect_uri, form.get("state"), by_post)

    def _pending(self, form: Form, request: Request) -> Pending:
        response_type = form.need("response_type")
        if response_type != "code":
            raise refusal(70005, response_type)
        if form.get("response_mode") not in (None, "query", "form_post"):
            raise refusal(9002313, "The response_mode must be query or form_post.")
        challenge = form.get("code_challenge")
        if challenge is None or form.get("code_challenge_method") != "S256":
            raise refusal(9002325)
        if not _CHALLENGE.fullmatch(challenge):
            raise refusal(501491)
        resource = form.get("resource")
        asked = scopes.read(form.get("scope"), resource, request.client.id, self._registration)
        contexts = contexts_in(form.get("claims"))
        return Pending(request, asked, challenge, resource, form.get("nonce"), contexts)

    def _signed_in(self, pending: Pending, user: User) -> Response:
        """Send the client the code for what a user grants it."""
        asked, client = pending.asked, pending.request.client
        if asked.resource.kind == "api" and not user.assigned:
            raise refusal(50105, asked.resource.id, user.login)
        granted = user_scopes(user, asked, self._registration)
        if not granted:
            raise dataclasses.replace(refusal(65001, client.id), error="consent_required")
        grant = Grant(
            client, user, asked.resource, granted, asked.oidc, pending.nonce, pending.contexts
        )
        request = pending.request
        code = Code(grant, request.redirect_uri, pending.challenge, pending.resource)
        return _answered(request, {"code": self._grants.codes.put(code)})

    def _roles(self, asked: Asked, user: User) -> tuple[str, ...]:
        return self._registration.roles_of(user) if asked.resource.kind == "api" else ()

    def _sent_back(self, request: Request, refused: Refused, correlation_id: str) -> Response:
        told = members(refused, self._now(), correlation_id)
        _log.info("sign-in: AADSTS%d (correlation id %s)", refused.code, correlation_id)
        return _answered(
            request, {"error": told["error"], "error_description": told["error_description"]}
        )


def _on_this_machine(redirect_uri: str) -> bool:
    """Whether a redirect URI is http on loopback, where any port will do (RFC 8252 section 7.3)."""
    if not redirect_uri.isascii() or not redirect_uri.isprintable() or " " in redirect_uri:
        return False
    try:
        parts = urlsplit(redirect_uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    # A browser reads a backslash as a slash, and so may take another host than we do.
    plain = not set(redirect_uri) & set('\\"<>#') and "@" not in parts.netloc
    return parts.scheme == "http" and plain and host is not None and is_loopback(host)


def _answered(request: Request, answer: dict[str, str]) -> Response:
    """Send the browser back with an answer and the client's state (RFC 6749 section 4.1.2)."""
    if request.state is not None:
        answer["state"] = request.state
    if request.by_post:
        return page.hand_over(request.redirect_uri, answer)
    separator = "&" if urlsplit(request.redirect_uri).query else "?"
    location = f"{request.redirect_uri}{separator}{urlencode(answer)}"
    return Response(303, {"Location": location, "Referrer-Policy": "no-referrer"})
