"""The host's managed identity, or on a developer's machine whoever is signed in there.

By azure-identity, which knows every host: App Service and Functions, Container Apps, virtual
machines (IMDS), Arc, and workload identity in Kubernetes.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from shared.caller import Caller
from shared.credential import CredentialRefused
from shared.credentials.token_cache import TokenCache
from shared.credentials.tokens import Key, Token, Wanted

if TYPE_CHECKING:
    from azure.core.credentials import TokenRequestOptions
    from azure.core.credentials_async import AsyncSupportsTokenInfo
    from azure.core.pipeline.transport import AsyncHttpTransport

_log = logging.getLogger("postern.credentials")

NAME = "ManagedIdentity"
TIMEOUT = 30.0
"""Seconds until the identity endpoint is no longer waited for."""
# azure-identity renews tokens in its own good time; so it is asked again soon.
_MOST_SECONDS = 300.0

_ABSENT = (
    "No managed identity could be reached on this host. For the endpoint's operator: enable a "
    "managed identity on the compute resource (Identity: system-assigned; or a user-assigned one, "
    "with its client id in outboundAuthentication:clientId). If there is one, see that no network "
    "policy or proxy stands before 169.254.169.254 (NO_PROXY=169.254.169.254)."
)
_UNASSIGNED = (
    "This host does not have the managed identity {client_id}. For the endpoint's operator: assign "
    "it to the compute resource, or mend its client id in outboundAuthentication."
)
_FAILED = (
    "The host's managed identity gave no token for {resource} (status {status}). For the "
    "endpoint's operator: is the resource right, the identity enabled, and does no proxy answer in "
    "its place?"
)
_DEVELOPER = (
    "Nobody is signed in to Azure on this machine who could get a token for {resource}; try "
    "az login, or leave out --use-my-azure-login."
)


class ManagedIdentity:
    """A managed identity; `client_id` names a user-assigned one.

    `developer` says that it is whoever is signed in on this machine. `transport` decides where
    bytes go: for tests.
    """

    def __init__(
        self,
        client_id: str | None,
        cache: TokenCache,
        *,
        developer: bool = False,
        timeout: float = TIMEOUT,
        transport: "Callable[[], AsyncHttpTransport[Any, Any]] | None" = None,
    ) -> None:
        self.client_id = client_id
        self._cache = cache
        self._developer = developer
        self._timeout = timeout
        self._transport = transport
        self._credential: AsyncSupportsTokenInfo | None = None

    async def token(self, caller: Caller, wanted: Wanted) -> Token:
        """A token of the identity, whoever calls. Raises CredentialRefused."""
        return await self.own_token(wanted)

    async def own_token(self, wanted: Wanted) -> Token:
        """A token of the identity. Raises CredentialRefused."""
        key = Key(NAME, "", self.client_id or "system-assigned", None, wanted)
        return await self._cache.get(key, lambda: self._fetch(wanted), most_seconds=_MOST_SECONDS)

    def identity(self, caller: Caller) -> str:
        if self._developer:
            return f"{NAME} developer"
        return f"{NAME} {self.client_id or 'system-assigned'}"

    async def _fetch(self, wanted: Wanted) -> Token:
        from azure.core.exceptions import AzureError

        options: TokenRequestOptions = {"enable_cae": wanted.enable_cae}
        if wanted.claims is not None:
            options["claims"] = wanted.claims
        if wanted.tenant_id is not None:
            options["tenant_id"] = wanted.tenant_id
        try:
            async with asyncio.timeout(self._timeout):
                if self._credential is None:
                    self._credential = self._open()
                got = await self._credential.get_token_info(*wanted.scopes, options=options)
        except TimeoutError:
            _log.warning("the identity endpoint did not answer within %g seconds", self._timeout)
            text = f"The identity endpoint did not answer within {self._timeout:g} seconds. "
            raise CredentialRefused(text + _ABSENT) from None
        except (AzureError, ValueError) as error:
            _log.warning("no token of the managed identity: %s", type(error).__name__)
            raise self._refusal(error, wanted) from None
        return Token(got.token, float(got.expires_on))

    def _refusal(self, error: Exception, wanted: Wanted) -> CredentialRefused:
        if self._developer:
            return CredentialRefused(_DEVELOPER.format(resource=wanted.resource))
        status = _status(error)
        if status == 400 and self.client_id is not None:
            return CredentialRefused(_UNASSIGNED.format(client_id=self.client_id))
        if status is None or status == 400:
            return CredentialRefused(_ABSENT)
        return CredentialRefused(_FAILED.format(resource=wanted.resource, status=status))

    def _open(self) -> "AsyncSupportsTokenInfo":
        from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

        given: dict[str, Any] = {"transport": self._transport()} if self._transport else {}
        if self._developer:
            return DefaultAzureCredential(**given)
        return ManagedIdentityCredential(
            client_id=self.client_id, connection_timeout=2, retry_total=3, **given
        )

    async def close(self) -> None:
        if self._credential is not None:
            await self._credential.close()
            self._credential = None


def _status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error of azure-identity, which wraps what the endpoint said."""
    while error is not None:
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__
    return None
