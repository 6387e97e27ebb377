"""Which strategy a caller's credential comes from: the one place that decides as whom tools act."""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, assert_never
from urllib.parse import urlsplit

from shared import key_vault
from shared.caller import Caller
from shared.configuration.outbound import (
    Acting,
    Application,
    ClientSecret,
    Deny,
    FederatedIdentity,
    OutboundSettings,
    SignedAssertion,
    UseClientCredentials,
    UseManagedIdentity,
    UseOnBehalfOf,
    UsePassthrough,
    VaultCertificate,
)
from shared.configuration.outbound import Strategy as Settings
from shared.credential import CredentialRefused
from shared.credentials import entra_app, managed_identity
from shared.credentials.client_authentication import (
    AssertionInFile,
    CertificateInVault,
    ClientAuthentication,
    FederatedToken,
    SharedSecret,
)
from shared.credentials.client_credentials import ClientCredentials
from shared.credentials.credential import CallerCredential
from shared.credentials.entra_app import EntraApp, Reach
from shared.credentials.managed_identity import ManagedIdentity
from shared.credentials.on_behalf_of import OnBehalfOf
from shared.credentials.passthrough import Passthrough
from shared.credentials.token_cache import TokenCache
from shared.credentials.tokens import Strategy, Token, Wanted
from shared.http import is_loopback
from shared.key_vault import KeyVault, Vaults

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AsyncHttpTransport

_KINDS = {
    "user": "users",
    "application": "applications",
    "key": "API keys",
    "anonymous": "callers without a credential",
}


class Denied:
    """No token for anybody. `reason` is for the caller."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def token(self, caller: Caller, wanted: Wanted) -> Token:
        raise CredentialRefused(self._reason)

    def identity(self, caller: Caller) -> str:
        return "Deny"


@dataclass(frozen=True)
class Around:
    """What strategies are made with besides their settings.

    `development` means that callers may be invented; `vaults` are the endpoint's own; `reach` leads
    sign-in hosts to where they really are. The rest is for tests: `transport` decides where the
    bytes of Azure's clients go, `timeout` is in seconds, `clock` in seconds since the epoch,
    `monotonic` for how fresh certificates are.
    """

    development: bool = False
    vaults: Vaults | None = None
    reach: Mapping[str, Reach] = field(default_factory=dict)
    transport: "Callable[[], AsyncHttpTransport[Any, Any]] | None" = None
    timeout: float | None = None
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class Credentials:
    """Gives each caller the credential that the settings have for their kind.

    One object for an endpoint and its event loop; identical strategies share what they know.
    """

    def __init__(self, settings: OutboundSettings, around: Around | None = None) -> None:
        self._around = around or Around()
        self._login = settings.azure_login
        self._cache = TokenCache(clock=self._around.clock)
        self._made: dict[Acting, Strategy] = {}
        self._identities: dict[str | None, ManagedIdentity] = {}
        self._apps: dict[Application, EntraApp] = {}
        self._vaults: list[KeyVault] = []
        self._strategies = {
            kind: self._strategy(kind, one) for kind, one in settings.strategies.items()
        }

    def of(self, caller: Caller) -> CallerCredential:
        """The credential of one call. Nothing is asked for before a tool wants a token."""
        return CallerCredential(self._strategies[caller.kind], caller)

    async def close(self) -> None:
        """Close every connection."""
        for app in self._apps.values():
            app.close()
        for identity in self._identities.values():
            await identity.close()
        for vault in self._vaults:
            await vault.close()

    def _strategy(self, kind: str, settings: Settings) -> Strategy:
        if isinstance(settings, Deny):
            return Denied(f"Tools do not call Azure for {_KINDS[kind]} here: {settings.reason}.")
        if self._is_withheld(settings):
            return Denied(
                "In development, tools do not call Azure: their callers may be invented. "
                "manage.py run --use-my-azure-login lets them, as whoever is signed in on this "
                "machine."
            )
        if settings not in self._made:
            self._made[settings] = self._make(settings)
        return self._made[settings]

    def _is_withheld(self, settings: Acting) -> bool:
        """Whether development keeps a strategy back, which would reach the real Azure."""
        if not self._around.development or self._login:
            return False
        match settings:
            case UseManagedIdentity():
                return True
            case UseOnBehalfOf(application) | UseClientCredentials(application):
                host = urlsplit(application.instance).hostname or ""
                real = not is_loopback(host) and application.instance not in self._around.reach
                own = isinstance(settings, UseClientCredentials) and real
                return own or not isinstance(application.credential, ClientSecret)
        return False

    def _make(self, settings: Acting) -> Strategy:
        match settings:
            case UseManagedIdentity(client_id):
                return self._identity(client_id)
            case UseOnBehalfOf(application):
                return OnBehalfOf(self._app(application), self._cache)
            case UseClientCredentials(application, tenant_id):
                return ClientCredentials(self._app(application), tenant_id, self._cache)
            case UsePassthrough():
                return Passthrough(settings)
            case _:
                assert_never(settings)

    def _identity(self, client_id: str | None) -> ManagedIdentity:
        if client_id not in self._identities:
            self._identities[client_id] = ManagedIdentity(
                client_id,
                self._cache,
                developer=self._login,
                timeout=self._around.timeout or managed_identity.TIMEOUT,
                transport=self._around.transport,
            )
        return self._identities[client_id]

    def _app(self, application: Application) -> EntraApp:
        if application not in self._apps:
            around = self._around
            self._apps[application] = EntraApp(
                application,
                self._authentication(application),
                reach=around.reach.get(application.instance),
                timeout=around.timeout or entra_app.TIMEOUT,
                clock=around.clock,
            )
        return self._apps[application]

    def _authentication(self, application: Application) -> ClientAuthentication:
        around = self._around
        match application.credential:
            case ClientSecret() as secret:
                return SharedSecret(secret, self._vault, monotonic=around.monotonic)
            case FederatedIdentity() as federated:
                return FederatedToken(federated, self._identity(federated.client_id))
            case SignedAssertion() as assertion:
                return AssertionInFile(assertion)
            case VaultCertificate() as certificate:
                vault = self._vault(certificate.vault_url, certificate.identity)
                return CertificateInVault(
                    certificate, vault, clock=around.clock, monotonic=around.monotonic
                )
            case _:
                assert_never(application.credential)

    def _vault(self, uri: str, identity: str | None = None) -> KeyVault:
        """A vault, read as the endpoint reads vaults, or as the identity of a client id."""
        if identity is None and self._around.vaults is not None:
            return self._around.vaults.open(uri)
        credential = functools.partial(key_vault.managed_identity, identity)
        vault = KeyVault(uri, credential, transport=self._around.transport)
        self._vaults.append(vault)
        return vault
