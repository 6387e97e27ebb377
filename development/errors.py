"""Refusals as Entra words them: an AADSTS number, an OAuth error code and a text."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_QUOTED_LENGTH = 200


class _Kind(NamedTuple):
    error: str
    text: str
    status: int = 400


# The texts are Entra's where those are known, with {} for what differs; the OAuth error is the one
# of the token endpoint (RFC 6749 section 5.2 and the extensions Entra uses).
_KINDS = {
    28000: _Kind(
        "invalid_request",
        "Provided value for the input parameter scope is not valid because it contains more than "
        "one resource. Scope {} is not valid.",
    ),
    50011: _Kind(
        "invalid_request",
        "The redirect URI '{}' specified in the request does not match the redirect URIs "
        "configured for the application '{}'. (The development identity takes http redirects to "
        "this machine only: localhost, 127.0.0.1 or [::1], with any port.)",
    ),
    50013: _Kind("invalid_grant", "Assertion failed signature validation."),
    50027: _Kind("invalid_grant", "JWT token is invalid or malformed."),
    50058: _Kind(
        "login_required", "A silent sign-in request was sent but no user is signed in. {}"
    ),
    50076: _Kind(
        "interaction_required",
        "Due to a configuration change made by your administrator, or because you moved to a new "
        "location, you must use multi-factor authentication to access '{}'.",
    ),
    50105: _Kind(
        "access_denied",
        "Your administrator has configured the application '{}' to block users unless they are "
        "specifically granted ('assigned') access to the application. The signed in user '{}' is "
        "blocked because they are not a direct member of a group with access, nor had access "
        "directly assigned by an administrator.",
    ),
    54005: _Kind(
        "invalid_grant",
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or "
        "use an existing refresh token.",
    ),
    65001: _Kind(
        "invalid_grant",
        "The user or administrator has not consented to use the application with ID '{}'. Send "
        "an interactive authorization request for this user and resource.",
    ),
    65004: _Kind("access_denied", "User declined to consent to access the app."),
    65005: _Kind(
        "invalid_resource",
        "The application asked for scope '{}', which is an OpenID Connect scope: those have no "
        "resource before them.",
    ),
    70000: _Kind("invalid_grant", "The provided grant is invalid or malformed."),
    70003: _Kind("unsupported_grant_type", "The app requested an unsupported grant type '{}'."),
    70005: _Kind(
        "unsupported_response_type", "The app returned an unsupported response type '{}'."
    ),
    70008: _Kind(
        "invalid_grant",
        "The provided authorization code or refresh token has expired due to inactivity. Send a "
        "new interactive authorization request for this user and resource.",
    ),
    70011: _Kind(
        "invalid_scope",
        "The provided request must include a 'scope' input parameter. The provided value for the "
        "input parameter 'scope' is not valid. The scope {} is not valid.",
    ),
    70021: _Kind(
        "invalid_client",
        "No matching federated identity record found for presented assertion. Assertion Subject: "
        "'{}'.",
        401,
    ),
    90002: _Kind("invalid_request", "Tenant '{}' not found. The development identity has one: {}."),
    500011: _Kind(
        "invalid_resource",
        "The resource principal named {} was not found in the tenant named Postern development. "
        "This can happen if the application has not been installed by the administrator of the "
        "tenant or consented to by any user in the tenant.",
    ),
    500112: _Kind(
        "invalid_client",
        "The reply address '{}' does not match the reply address '{}' provided when requesting "
        "Authorization code.",
        401,
    ),
    500131: _Kind(
        "invalid_grant",
        "Assertion audience does not match the Client app presenting the assertion. The audience "
        "in the assertion was '{}' and the expected audience is '{}' or one of the Application "
        "Uris of this application with App ID '{}'.",
    ),
    500133: _Kind("invalid_grant", "Assertion is not within its valid time range."),
    501481: _Kind(
        "invalid_grant",
        "The Code_Verifier does not match the code_challenge supplied in the authorization "
        "request.",
    ),
    501491: _Kind("invalid_request", "Invalid size of Code_Challenge parameter."),
    650053: _Kind(
        "invalid_client",
        "The application '{}' asked for scope '{}' that doesn't exist on the resource '{}'.",
    ),
    700016: _Kind(
        "unauthorized_client",
        "Application with identifier '{}' was not found in the directory 'Postern development'.",
    ),
    700025: _Kind(
        "invalid_client",
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
        401,
    ),
    700027: _Kind("invalid_client", "Client assertion failed signature validation. {}", 401),
    900144: _Kind(
        "invalid_request", "The request body must contain the following parameter: '{}'."
    ),
    1002012: _Kind(
        "invalid_scope",
        "The provided value for scope {} is not valid. Client credential flows must have a scope "
        "value with /.default suffixed to the resource identifier (application ID URI).",
    ),
    7000114: _Kind(
        "unauthorized_client",
        "Application '{}' is not allowed to make application on-behalf-of calls.",
    ),
    7000215: _Kind(
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the "
        "client secret value, not the client secret ID, for a secret added to app '{}'.",
        401,
    ),
    7000218: _Kind(
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or "
        "'client_secret'.",
        401,
    ),
    9000411: _Kind(
        "invalid_request",
        "The request is not properly formatted. The parameter '{}' is duplicated.",
    ),
    9002313: _Kind("invalid_request", "Invalid request. Request is malformed or invalid. {}"),
    9002325: _Kind(
        "invalid_request",
        "Proof Key for Code Exchange is required for cross-origin authorization code redemption. "
        "(The development identity asks it of everybody: code_challenge_method=S256.)",
    ),
    9010010: _Kind(
        "invalid_target",
        "The resource parameter provided in the request doesn't match with the requested scopes.",
    ),
}


@dataclass(eq=False)
class Refused(Exception):
    """A request that Entra would refuse: its AADSTS number, and what its text tells.

    `error` is the OAuth error when it differs from that of the token endpoint; `more` are members
    of the answer beside the usual ones (`claims`, `suberror`).
    """

    code: int
    told: tuple[str, ...] = ()
    error: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return _KINDS[self.code].status

    @property
    def oauth_error(self) -> str:
        return self.error or _KINDS[self.code].error

    @property
    def text(self) -> str:
        """What is wrong, for people; control characters and endless values are taken out."""
        told = [_shown(value) for value in self.told]
        missing = _KINDS[self.code].text.count("{}") - len(told)
        text = _KINDS[self.code].text.format(*told, *[""] * missing).strip()
        return f"AADSTS{self.code}: {text}"


def refusal(code: int, *told: str) -> Refused:
    """A refusal without anything special."""
    return Refused(code, told)


def members(refused: Refused, now: float, correlation_id: str) -> dict[str, Any]:
    """The JSON answer of the token endpoint."""
    trace_id = str(uuid.uuid4())
    timestamp = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%SZ}"
    marks = f"Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
    return {
        "error": refused.oauth_error,
        "error_description": f"{refused.text} {marks}",
        "error_codes": [refused.code],
        "timestamp": timestamp,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
        **refused.more,
    }


def correlation_id(given: str | None) -> str:
    """The caller's own correlation id when it is a GUID, else a new one."""
    return given if given and _GUID.fullmatch(given) else str(uuid.uuid4())


def _shown(value: str) -> str:
    clean = "".join(c if c.isprintable() else "?" for c in value)
    return clean if len(clean) <= _QUOTED_LENGTH else f"{clean[:_QUOTED_LENGTH]}…"
