"""The application itself, with a credential of its own: for hosts without a managed identity."""

from shared.caller import Caller
from shared.credentials.entra_app import EntraApp
from shared.credentials.token_cache import TokenCache
from shared.credentials.tokens import Key, Token, Wanted, same_tenant

NAME = "ClientCredentials"


class ClientCredentials:
    """Acts as the app registration in one tenant, whoever calls."""

    def __init__(self, app: EntraApp, tenant_id: str, cache: TokenCache) -> None:
        self._app = app
        self._tenant = tenant_id
        self._cache = cache

    async def token(self, caller: Caller, wanted: Wanted) -> Token:
        """A token of the application. Raises CredentialRefused."""
        same_tenant(wanted, self._tenant)
        wanted = wanted._replace(tenant_id=None)
        key = Key(NAME, self._app.authority(self._tenant), self._app.client_id, None, wanted)
        return await self._cache.get(key, lambda: self._app.for_itself(self._tenant, wanted))

    def identity(self, caller: Caller) -> str:
        return f"{NAME} {self._app.client_id}"
