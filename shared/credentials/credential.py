"""What a tool gets: a credential that every asynchronous Azure SDK client takes."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from shared.caller import Caller
from shared.credentials.tokens import Strategy, Token, Wanted

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions


class CallerCredential:
    """The credential of one call: azure-core's `AsyncTokenCredential` and `AsyncSupportsTokenInfo`.

    `acted_as` tells as whom tokens were got, for the audit record; empty as long as there was none.
    Closing it does nothing, so that a tool may give it to many clients.
    """

    __slots__ = ("_caller", "_strategy", "acted_as")

    def __init__(self, strategy: Strategy, caller: Caller) -> None:
        self._strategy = strategy
        self._caller = caller
        self.acted_as = ""

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_: Any,
    ) -> "AccessToken":
        """A token for `scopes`, such as `https://vault.azure.net/.default`.

        Raises `shared.credential.CredentialRefused`; ValueError without any scope.
        """
        from azure.core.credentials import AccessToken

        token = await self._token(Wanted(scopes, claims, tenant_id, enable_cae))
        return AccessToken(token.text, int(token.expires_at))

    async def get_token_info(
        self, *scopes: str, options: "TokenRequestOptions | None" = None
    ) -> "AccessTokenInfo":
        """As `get_token`, in the form that newer clients prefer."""
        from azure.core.credentials import AccessTokenInfo

        given = options or {}
        wanted = Wanted(
            scopes, given.get("claims"), given.get("tenant_id"), given.get("enable_cae", False)
        )
        token = await self._token(wanted)
        return AccessTokenInfo(token.text, int(token.expires_at))

    async def _token(self, wanted: Wanted) -> Token:
        if not wanted.scopes:
            raise ValueError("a token is for at least one scope")
        token = await self._strategy.token(self._caller, wanted)
        self.acted_as = self._strategy.identity(self._caller)
        return token

    async def close(self) -> None:
        """Nothing to close: what is behind it belongs to the endpoint."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<credential of {self._caller.principal}>"
