"""How the endpoint's application proves to Entra that it is it: the kinds of client credential."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.configuration.entra import read_guid
from shared.configuration.model import EntraScheme
from shared.configuration.outbound import (
    ClientCredential,
    ClientSecret,
    FederatedIdentity,
    SignedAssertion,
    VaultCertificate,
)
from shared.configuration.problems import Report
from shared.validation import Path
from shared.vault_uri import NotAVault, vault_uri

_PULL_REQUESTS_EXAMPLE = "your-client-secret"
_EXCHANGE = {
    "login.microsoftonline.us": "api://AzureADTokenExchangeUSGov",
    "login.partner.microsoftonline.cn": "api://AzureADTokenExchangeChina",
}

KindName = Literal[
    "ClientSecret", "CertificateKeyVault", "FederatedManagedIdentity", "SignedAssertionFile"
]
KEYS_OF: dict[str, set[str]] = {
    "ClientSecret": {"secret"},
    "CertificateKeyVault": {"keyVaultUrl", "certificateName", "managedIdentityClientId"},
    "FederatedManagedIdentity": {"managedIdentityClientId", "tokenExchangeUrl"},
    "SignedAssertionFile": {"assertionFile"},
}
"""By kind, the keys that mean something beside it."""


class ClientCredentialSection(msgspec.Struct, rename="camel", frozen=True):
    kind: Annotated[KindName, Meta(description="How the application proves to be it.")]
    secret: Annotated[
        str | None, Meta(description="ClientSecret: the secret, or @Microsoft.KeyVault(…).")
    ] = None
    key_vault_url: Annotated[
        str | None, Meta(description="CertificateKeyVault: https://<name>.vault.azure.net.")
    ] = None
    certificate_name: str | None = None
    managed_identity_client_id: Annotated[
        str | None,
        Meta(
            description="Ours: the user-assigned identity whose token stands for the application "
            "(FederatedManagedIdentity) or that reads the vault (CertificateKeyVault)."
        ),
    ] = None
    token_exchange_url: Annotated[
        str | None, Meta(description="Ours: the token's audience, where the cloud's is not right.")
    ] = None
    assertion_file: Annotated[
        str | None,
        Meta(description="Ours: the file; absent: what AZURE_FEDERATED_TOKEN_FILE names."),
    ] = None

    def __repr__(self) -> str:
        return f"<client credential {self.kind}>"


class Surroundings(msgspec.Struct, frozen=True):
    """What else decides how a section is read.

    The scheme that takes tokens, development, whether tools may then act as the developer
    (`azure_login`), and where workload identity puts its token.
    """

    scheme: EntraScheme | None
    development: bool
    azure_login: bool = False
    token_file: str | None = None


def read_credential(
    given: ClientCredentialSection,
    instance: str,
    blame: Callable[[str], Path],
    report: Report,
    where: Surroundings,
) -> ClientCredential | None:
    """A client credential, or None when `report` says why not.

    `instance` is the cloud's sign-in host, `blame` where the configuration has each key.
    """
    if given.kind == "SignedAssertionFile":
        return _assertion(given.assertion_file or where.token_file, blame("assertionFile"), report)
    if given.kind == "ClientSecret":
        return _secret(given.secret, blame("secret"), report, development=where.development)
    id = given.managed_identity_client_id
    client_id = read_guid(id, blame("managedIdentityClientId"), report) if id else None
    if given.kind == "FederatedManagedIdentity":
        host = instance.rpartition("/")[2].lower()
        audience = given.token_exchange_url or _EXCHANGE.get(host, "api://AzureADTokenExchange")
        return FederatedIdentity(client_id, audience.removesuffix("/.default"))
    return _certificate(given, client_id, blame, report)


def _certificate(
    given: ClientCredentialSection,
    identity: str | None,
    blame: Callable[[str], Path],
    report: Report,
) -> VaultCertificate | None:
    url, name = given.key_vault_url, given.certificate_name
    if not name:
        report.error(blame("certificateName"), "missing; expected the certificate's name")
    try:
        uri = vault_uri(url or "")
    except NotAVault as error:
        report.error(blame("keyVaultUrl"), f"is {error}" if url else "missing; expected a vault")
        return None
    return VaultCertificate(uri, name, identity) if name else None


def _assertion(file: str | None, at: Path, report: Report) -> SignedAssertion | None:
    if not file:
        text = "missing, and AZURE_FEDERATED_TOKEN_FILE is not set; expected the path of a file"
        report.error(at, text)
        return None
    if not PurePath(file).is_absolute():
        # It may be the token itself.
        report.error(at, "is no absolute path")
    return SignedAssertion(file)


def _secret(
    secret: str | None, at: Path, report: Report, *, development: bool
) -> ClientSecret | None:
    if not secret:
        report.error(at, "missing; expected a secret of the application, or a reference to it")
        return None
    reference = report.root.reference_of(at)
    if development or reference is not None:
        return ClientSecret(secret, reference)
    if secret == _PULL_REQUESTS_EXAMPLE:
        report.warn(at, "is the example of a public text; expected a secret of your own")
    elif report.root.source_of(at).line is not None:
        report.warn(
            at,
            "a secret stands in a file; better a reference @Microsoft.KeyVault(…), or none at all: "
            "kind FederatedManagedIdentity",
        )
    return ClientSecret(secret)
