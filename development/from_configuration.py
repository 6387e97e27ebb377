"""The registration that fits what the endpoint is configured to accept and to ask for."""

from typing import Literal

from development.registration import Registration
from shared.configuration.authority import is_guid
from shared.configuration.entra import DEVELOPMENT_CLIENT_ID
from shared.configuration.model import EntraScheme
from shared.startup import Offer

_DEFAULT_SCOPE = "access_as_user"


def registration_for(offer: Offer) -> Registration:
    """The API as Entra would hold it, were it registered for this endpoint.

    Its App ID URIs are the public URL and the configured audiences; its scopes and roles are those
    the rules ask for; its tokens are of the version that the configuration accepts.
    """
    settings = offer.settings.authentication
    scheme = settings.entra
    client_id = (scheme.client_id if scheme else None) or DEVELOPMENT_CLIENT_ID
    audiences = [a for a in scheme.audiences if not is_guid(a)] if scheme else []
    named = settings.protected_resource.resource
    uris = (offer.settings.public_url, *([named] if named else []), *audiences)
    identifier_uris = tuple(dict.fromkeys((*uris, f"api://{client_id}")))
    default = settings.default_policy
    rules = [rule for policy in offer.policies for rule in policy.rules.values()]
    first = sorted(default.scopes.names) if default.scopes else []
    asked = sorted({scope for rule in rules for scope in rule.scopes})
    scopes = (_short(scope, identifier_uris) for scope in (*first, *asked))
    version, audience = _accepted(scheme, client_id, audiences)
    return Registration(
        client_id,
        identifier_uris,
        tuple(dict.fromkeys(s for s in scopes if "/" not in s)) or (_DEFAULT_SCOPE,),
        tuple(sorted({role for rule in rules for role in rule.roles})),
        version,
        audience,
    )


def _short(scope: str, identifier_uris: tuple[str, ...]) -> str:
    """A scope without the App ID URI; what still has a slash then is another API's."""
    for uri in identifier_uris:
        if scope.startswith(f"{uri}/"):
            return scope[len(uri) + 1 :]
    return scope


def _accepted(
    scheme: EntraScheme | None, client_id: str, audiences: list[str]
) -> tuple[Literal[1, 2], str | None]:
    """The version of tokens a scheme takes, and the audience of v2 ones when not the client id.

    Where only v2 issuers are accepted and no client id is, no token of Entra's can match, which
    start-up warns of. So that such a configuration can be tried at all, v2 tokens carry its App ID
    URI here.
    """
    if scheme is None or (client_id in scheme.audiences and _takes_v2(scheme)):
        return 2, None
    if not all(_is_v2(issuer) for issuer in scheme.issuers):
        return 1, None
    return 2, audiences[0] if audiences else None


def _takes_v2(scheme: EntraScheme) -> bool:
    return any(_is_v2(issuer) for issuer in scheme.issuers)


def _is_v2(issuer: str) -> bool:
    return issuer.rstrip("/").endswith("/v2.0")
