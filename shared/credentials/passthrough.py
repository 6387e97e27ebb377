"""The caller's own token, sent on: only to the API it was issued for.

A token is good for its audience and nothing else (RFC 8707, MCP's rule against token passthrough).
What remains is an API on the same app registration as this endpoint.
"""

import base64
import json

from shared.caller import Caller
from shared.configuration.outbound import UsePassthrough
from shared.credential import ClaimsChallenge, CredentialRefused
from shared.credentials.tokens import Token, Wanted, same_tenant

NAME = "JwtPassthrough"
_DEFAULT = "/.default"


class Passthrough:
    """Hands out the token a caller came with."""

    def __init__(self, settings: UsePassthrough) -> None:
        self._settings = settings

    async def token(self, caller: Caller, wanted: Wanted) -> Token:
        """The caller's token. Raises CredentialRefused unless it was issued for what is wanted.

        Checks the audience against the scope asked for. Does not check the token, which whoever
        made the caller did, nor where it is sent: that is up to the tool.
        """
        if not self._settings.allowed:
            raise CredentialRefused(
                "This endpoint does not send callers' tokens on: it is set to JwtPassthrough "
                "without allowPassthrough: true."
            )
        if caller.assertion is None or caller.expires_at is None or caller.tenant_id is None:
            raise CredentialRefused(
                "This endpoint sends callers' tokens on, and this call came without one."
            )
        same_tenant(wanted, caller.tenant_id)
        audience = _audience(caller.assertion)
        for scope in wanted.scopes:
            self._check(scope, audience)
        if wanted.claims is not None:
            raise ClaimsChallenge(
                f"{wanted.resource} asks for more than the token this call came with says. Sign in "
                f"again with these claims: {wanted.claims}",
                wanted.claims,
            )
        return Token(caller.assertion, caller.expires_at)

    def identity(self, caller: Caller) -> str:
        return f"{NAME} {caller.principal}"

    def _check(self, scope: str, audience: str) -> None:
        names = self._settings.resources
        own = names if audience in names else {audience}
        resource = scope.removesuffix(_DEFAULT)
        if not scope.endswith(_DEFAULT) or resource.removesuffix("/") not in own:
            raise CredentialRefused(
                f"The token this call came with is for {audience} and may not be sent to "
                f"{resource}. Passing tokens on works for an API on the same registration as this "
                "endpoint; Azure's own services need JwtObo, ManagedIdentity or ClientCredentials."
            )


def _audience(assertion: str) -> str:
    """The audience of a token that has been verified, without a trailing slash."""
    payload = assertion.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    if not isinstance(audience, str):
        raise CredentialRefused("The token this call came with names several audiences.")
    return audience.removesuffix("/")
