"""Azure MCP 2.x: `AzureAd:ClientCredentials` and the names of its outgoing strategies.

The keys are those of Microsoft.Identity.Web. Azure MCP takes the strategy on its command line
(`--outgoing-auth-strategy`); here it is a key of the section.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from shared.configuration.client_credential import (
    ClientCredentialSection,
    KindName,
    Surroundings,
    read_credential,
)
from shared.configuration.entra import read_guid
from shared.configuration.outbound import (
    Application,
    CallerKind,
    ClientCredential,
    Deny,
    OutboundSettings,
    Strategy,
    UseManagedIdentity,
    UseOnBehalfOf,
)
from shared.configuration.outbound_section import KINDS
from shared.configuration.problems import Report
from shared.validation import Path

OutgoingStrategy = Literal["NotSet", "UseHostingEnvironmentIdentity", "UseOnBehalfOf"]
KEY = "AzureAd:OutgoingAuthStrategy"
_CREDENTIALS: Path = ("AzureAd", "ClientCredentials")

# Microsoft.Identity.Web's CredentialSource, by number.
_SOURCES = (
    "Certificate",
    "KeyVault",
    "Base64Encoded",
    "Path",
    "StoreWithThumbprint",
    "StoreWithDistinguishedName",
    "ClientSecret",
    "SignedAssertionFromManagedIdentity",
    "SignedAssertionFilePath",
    "SignedAssertionFromVault",
    "AutoDecryptKeys",
    "CustomSignedAssertion",
    "ManagedCertificate",
    "StoreWithSubjectName",
)
_AVAILABLE: Mapping[str, KindName] = {
    "ClientSecret": "ClientSecret",
    "KeyVault": "CertificateKeyVault",
    "SignedAssertionFromManagedIdentity": "FederatedManagedIdentity",
    "SignedAssertionFilePath": "SignedAssertionFile",
}
_NAMES = {
    "secret": "ClientSecret",
    "keyVaultUrl": "KeyVaultUrl",
    "certificateName": "KeyVaultCertificateName",
    "managedIdentityClientId": "ManagedIdentityClientId",
    "tokenExchangeUrl": "TokenExchangeUrl",
    "assertionFile": "SignedAssertionFileDiskPath",
}


class ClientCredentialEntry(msgspec.Struct, rename="pascal", frozen=True):
    source_type: str | int
    client_secret: str | None = None
    key_vault_url: str | None = None
    key_vault_certificate_name: str | None = None
    managed_identity_client_id: str | None = None
    token_exchange_url: str | None = None
    token_exchange_authority: Any = None
    signed_assertion_file_disk_path: str | None = None
    certificate_disk_path: Any = None
    certificate_password: Any = None
    base64_encoded_value: Any = msgspec.field(default=None, name="Base64EncodedValue")
    certificate_store_path: Any = None
    certificate_thumbprint: Any = None
    certificate_distinguished_name: Any = None
    certificate_subject_name: Any = None
    custom_signed_assertion_provider_name: Any = None
    custom_signed_assertion_provider_data: Any = None

    def __repr__(self) -> str:
        return f"<client credential {self.source_type}>"


def read_outgoing(
    strategy: OutgoingStrategy | None,
    credentials: list[ClientCredentialEntry],
    environment: Mapping[str, str],
    report: Report,
    where: Surroundings,
) -> OutboundSettings | None:
    """The settings they mean; None when they mean nothing, or `report` says what is wrong.

    As upstream, not saying which strategy means on-behalf-of, here where there are credentials.
    """
    before = len(report.problems)
    one: Strategy | None = None
    if strategy == "UseHostingEnvironmentIdentity":
        if credentials:
            report.warn(_CREDENTIALS, f"not used: {KEY} is {strategy}")
        id = environment.get("AZURE_CLIENT_ID")
        one = UseManagedIdentity(read_guid(id, ("AZURE_CLIENT_ID",), report) if id else None)
    elif strategy == "UseOnBehalfOf" or credentials:
        application = _application(credentials, report, where)
        one = UseOnBehalfOf(application) if application else None
    if one is None or any(problem.level == "error" for problem in report.problems[before:]):
        return None
    strategies: dict[CallerKind, Strategy] = dict.fromkeys(KINDS, one)
    strategies["anonymous"] = Deny(f"{KEY} is for callers who say who they are")
    return OutboundSettings(strategies, azure_login=where.azure_login)


def _application(
    credentials: list[ClientCredentialEntry], report: Report, where: Surroundings
) -> Application | None:
    if not credentials:
        report.error((*_CREDENTIALS, 0), "missing; expected how the application proves to be it")
        return None
    if len(credentials) > 1:
        report.warn((*_CREDENTIALS, 1), "not used: the first entry of the list is, and no other")
    scheme = where.scheme
    if scheme is None or scheme.client_id is None:
        report.error(("AzureAd", "ClientId"), "missing; expected the API's application id")
        return None
    instance = scheme.authority.rpartition("/")[0]
    credential = _credential(credentials[0], instance, (*_CREDENTIALS, 0), report, where)
    return Application(instance, scheme.client_id, credential) if credential else None


def _credential(
    entry: ClientCredentialEntry, instance: str, at: Path, report: Report, where: Surroundings
) -> ClientCredential | None:
    source = str(entry.source_type)
    if source.isdecimal() and int(source) < len(_SOURCES):
        source = _SOURCES[int(source)]
    known = next((name for name in _AVAILABLE if name.lower() == source.lower()), None)
    if known is None:
        available = ", ".join(f"{name} ({_SOURCES.index(name)})" for name in _AVAILABLE)
        report.error((*at, "SourceType"), f"{source} is not available; expected {available}")
        return None
    given = ClientCredentialSection(
        _AVAILABLE[known],
        entry.client_secret,
        entry.key_vault_url,
        entry.key_vault_certificate_name,
        entry.managed_identity_client_id,
        entry.token_exchange_url,
        entry.signed_assertion_file_disk_path,
    )
    return read_credential(given, instance, lambda key: (*at, _NAMES[key]), report, where)
