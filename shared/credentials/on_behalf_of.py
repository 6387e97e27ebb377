"""The user, by exchanging the token they called with for one of theirs (on-behalf-of)."""

from shared.caller import Caller
from shared.credential import CredentialRefused
from shared.credentials.entra_app import EntraApp
from shared.credentials.token_cache import TokenCache
from shared.credentials.tokens import Key, Token, Wanted, same_tenant

NAME = "JwtObo"

_WHO_CALLS = {
    "application": "this call comes from an application, which nobody can act on behalf of "
    "(AADSTS7000114)",
    "key": "this call comes with an API key, which is no user's token",
    "anonymous": "this call comes without any credential",
}


class OnBehalfOf:
    """Acts as the user who calls, through the endpoint's own app registration."""

    def __init__(self, app: EntraApp, cache: TokenCache) -> None:
        self._app = app
        self._cache = cache

    async def token(self, caller: Caller, wanted: Wanted) -> Token:
        """A token of the user. Raises CredentialRefused, with ClaimsChallenge and ConsentMissing.

        It is the caller's alone: remembered under tenant, user and the very token they called
        with, and not beyond its expiry. Does not check that token; whoever made the caller did.
        """
        if caller.kind != "user" or caller.assertion is None or caller.tenant_id is None:
            who = _WHO_CALLS.get(caller.kind, "this call comes without the user's token")
            raise CredentialRefused(
                f"Calls to Azure are made on behalf of users here, and {who}. For the endpoint's "
                "operator: outboundAuthentication of type ByCaller can give such callers another "
                "identity."
            )
        assertion, tenant = caller.assertion, caller.tenant_id
        same_tenant(wanted, tenant)
        # Which tenant is settled, so that it does not split what is remembered.
        wanted = wanted._replace(tenant_id=None)
        key = Key(NAME, tenant, caller.principal, assertion, wanted)
        return await self._cache.get(
            key,
            lambda: self._app.on_behalf_of(assertion, tenant, wanted),
            valid_until=caller.expires_at,
        )

    def identity(self, caller: Caller) -> str:
        return f"{NAME} {caller.principal} by {self._app.client_id}"
