"""The one client of Azure Key Vault: secrets and their versions, with errors one can act on.

The Azure libraries load with the first call. Values are in no repr, error or log of this module.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from shared.vault_errors import SecretMissing, VaultUnavailable, failure_of
from shared.vault_uri import vault_uri

if TYPE_CHECKING:
    from azure.core.async_paging import AsyncItemPaged
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.keyvault.secrets import SecretProperties
    from azure.keyvault.secrets.aio import SecretClient

T = TypeVar("T")

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
"""How long one answer may let wait for its next byte."""
DEADLINE_SECONDS = 30.0
"""How long one call, or one page of a list, may take with sign-in and everything."""

_LIMITS: dict[str, Any] = {"connection_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}


@dataclass(frozen=True, slots=True)
class Properties:
    """What a vault tells of a secret's version without its value. Times in seconds since the epoch.

    A list of secrets tells of the newest version of each, without naming it: `version` is None.
    """

    name: str
    version: str | None
    enabled: bool
    created: float
    updated: float
    not_before: float | None = None
    expires: float | None = None
    content_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Secret:
    """One version of a secret."""

    properties: Properties
    value: str = field(repr=False)


class KeyVault:
    """The secrets of one vault, for one event loop. To be closed.

    `credential` makes the identity that signs in, at the first call; it is closed with the rest.
    Which cloud's token is asked for follows from the vault's own challenge, which must name the
    vault's domain. `transport` decides where bytes go and whose certificates count: for tests.

    Reading is tried twice when the vault does not answer, writing once, as it may have been heard
    (aiohttp may still repeat a PUT that was lost with a kept connection: then a secret has two
    versions with one value). After 429 nothing is repeated.
    """

    def __init__(
        self,
        uri: str,
        credential: Callable[[], "AsyncTokenCredential"],
        *,
        transport: Callable[[], "AsyncHttpTransport[Any, Any]"] | None = None,
    ) -> None:
        self.uri = vault_uri(uri)
        self._make_credential = credential
        self._make_transport = transport
        self._opened: tuple[SecretClient, AsyncTokenCredential] | None = None
        self._closed = False

    async def secrets(self) -> AsyncIterator[Properties]:
        """All secrets of the vault, by pages: each as its newest version is."""
        async for page in self._pages(lambda: self._client().list_properties_of_secrets(**_LIMITS)):
            for one in page:
                yield one

    async def versions(self, name: str) -> list[Properties]:
        """All versions of a secret, in no order. Raises SecretMissing."""
        pages = self._pages(
            lambda: self._client().list_properties_of_secret_versions(name, **_LIMITS), name
        )
        found = [one async for page in pages for one in page]
        if not found:
            raise SecretMissing(name, self.uri)
        return found

    async def get(self, name: str, version: str | None = None) -> Secret:
        """A version with its value; None is the newest. Raises SecretMissing, SecretDisabled.

        Does not check the version's dates: Azure gives out what is expired or not yet valid.
        """
        got = await self._ask(lambda: self._client().get_secret(name, version, **_LIMITS), name)
        return Secret(_properties(got.properties), got.value or "")

    async def set(
        self,
        name: str,
        value: str,
        *,
        tags: Mapping[str, str] | None = None,
        content_type: str | None = None,
        expires: float | None = None,
    ) -> Properties:
        """Store a new, enabled version, which becomes the newest. Raises NameTaken."""
        stored = await self._ask(
            lambda: self._client().set_secret(
                name,
                value,
                enabled=True,
                tags=dict(tags or {}),
                content_type=content_type,
                expires_on=_datetime(expires),
                **_LIMITS,
            ),
            name,
            writes=True,
        )
        return _properties(stored.properties)

    async def update(
        self,
        name: str,
        version: str | None = None,
        *,
        enabled: bool | None = None,
        expires: float | None = None,
    ) -> Properties:
        """Change a version, the newest for None; what is None stays. Raises SecretMissing."""
        changed = await self._ask(
            lambda: self._client().update_secret_properties(
                name, version, enabled=enabled, expires_on=_datetime(expires), **_LIMITS
            ),
            name,
            writes=True,
        )
        return _properties(changed)

    async def close(self) -> None:
        """Close every connection, for good: calls that are under way or come later fail."""
        self._closed = True
        if self._opened is not None:
            client, credential = self._opened
            self._opened = None
            await client.close()
            await credential.close()

    def _client(self) -> "SecretClient":
        if self._closed:
            raise VaultUnavailable(f"The client of {self.uri} is closed.")
        if self._opened is None:
            from azure.keyvault.secrets.aio import SecretClient

            credential = self._make_credential()
            transport = {"transport": self._make_transport()} if self._make_transport else {}
            client = SecretClient(
                self.uri, credential, retry_total=0, permit_redirects=False, **transport
            )
            self._opened = client, credential
        return self._opened[0]

    async def _pages(
        self, listing: Callable[[], "AsyncItemPaged[SecretProperties]"], name: str = ""
    ) -> AsyncIterator[list[Properties]]:
        """The pages of a list, each tried as any other read.

        An iterator of the Azure libraries that failed once may end early without an error, so every
        try has a new one that goes on from the last whole page.
        """
        token: str | None = None

        async def page() -> tuple[list[Properties], str | None]:
            pages = listing().by_page(token)
            items = [_properties(one) async for one in await anext(pages)]
            return items, getattr(pages, "continuation_token", None)

        while True:
            items, token = await self._ask(page, name)
            yield items
            if not token:
                return

    async def _ask(
        self, call: Callable[[], Awaitable[T]], name: str = "", *, writes: bool = False
    ) -> T:
        """What a call answers. Raises VaultError."""
        from aiohttp import ClientError
        from azure.core.exceptions import AzureError

        tries = 1 if writes else 2
        while True:
            tries -= 1
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    return await call()
            except (AzureError, ClientError, OSError, ValueError) as error:
                failure = failure_of(error, self.uri, name, writes=writes)
                if not tries or type(failure) is not VaultUnavailable or failure.retry_after:
                    raise failure from error


class Vaults:
    """The vaults that one endpoint uses, each opened once. For one event loop; to be closed.

    `credential` and `transport` are those of `KeyVault`.
    """

    def __init__(
        self,
        credential: Callable[[], "AsyncTokenCredential"],
        *,
        transport: Callable[[], "AsyncHttpTransport[Any, Any]"] | None = None,
    ) -> None:
        self._credential = credential
        self._transport = transport
        self._open: dict[str, KeyVault] = {}

    def open(self, uri: str) -> KeyVault:
        """The vault at a URI. Raises NotAVault."""
        uri = vault_uri(uri)
        if uri not in self._open:
            self._open[uri] = KeyVault(uri, self._credential, transport=self._transport)
        return self._open[uri]

    async def close(self) -> None:
        for vault in self._open.values():
            await vault.close()


def managed_identity(client_id: str | None) -> "AsyncTokenCredential":
    """The host's identity: the user-assigned one of a client id, or for None its own."""
    from azure.identity.aio import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=client_id)


def developer_identity() -> "AsyncTokenCredential":
    """Whoever is signed in on this machine: with `az login`, by environment variables and so on."""
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential()


def _properties(one: "SecretProperties") -> Properties:
    created = _seconds(one.created_on) or 0.0
    return Properties(
        one.name or "",
        one.version or None,
        bool(one.enabled),
        created,
        _seconds(one.updated_on) or created,
        _seconds(one.not_before),
        _seconds(one.expires_on),
        one.content_type,
        one.tags or {},
    )


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def _datetime(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
