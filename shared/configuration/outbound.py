"""As whom tools call Azure: the settings, whatever dialect they were written in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.configuration.references import Reference

CallerKind = Literal["user", "application", "key", "anonymous"]


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A secret the application shares with Entra, and the vault's secret it was read from."""

    secret: str = field(repr=False)
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class VaultCertificate:
    """A certificate, with its key, in a Key Vault.

    `identity` is the client id of the user-assigned identity that reads it; None: the host's own.
    """

    vault_url: str
    name: str
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class FederatedIdentity:
    """No secret: a managed identity's token for `audience` speaks for the application.

    Without `client_id` it is the system-assigned identity.
    """

    client_id: str | None
    audience: str


@dataclass(frozen=True, slots=True)
class SignedAssertion:
    """No secret: the token in a file, which somebody else renews, speaks for the application."""

    file: str


ClientCredential = ClientSecret | VaultCertificate | FederatedIdentity | SignedAssertion


@dataclass(frozen=True, slots=True)
class Application:
    """The endpoint's own app registration, and how it proves to be it.

    `instance` is the sign-in host's URL without a tenant and without a trailing slash.
    """

    instance: str
    client_id: str
    credential: ClientCredential


@dataclass(frozen=True, slots=True)
class UseManagedIdentity:
    """The host's identity: system-assigned, or the user-assigned one of `client_id`."""

    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class UseOnBehalfOf:
    """The user, by exchanging their token as `application`."""

    application: Application


@dataclass(frozen=True, slots=True)
class UseClientCredentials:
    """The application itself, in the tenant of `tenant_id`."""

    application: Application
    tenant_id: str


@dataclass(frozen=True, slots=True)
class UsePassthrough:
    """The caller's own token, sent on.

    `resources` are the names of the one registration it was issued for. Unless `allowed`, every
    request is refused.
    """

    allowed: bool
    resources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Deny:
    """Nobody: such callers get no token. `reason` says which key decides."""

    reason: str


Acting = UseManagedIdentity | UseOnBehalfOf | UseClientCredentials | UsePassthrough
Strategy = Acting | Deny


@dataclass(frozen=True, slots=True)
class OutboundSettings:
    """The strategy for each kind of caller, and how a claims challenge reaches the client.

    `azure_login` means that the developer lets tools act as themselves; only in development.
    """

    strategies: Mapping[CallerKind, Strategy]
    claims_challenge: Literal["toolError", "http401"] = "toolError"
    azure_login: bool = False
