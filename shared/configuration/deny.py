"""Section `Deny`: who and what is shut out, whatever else is configured."""

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.configuration.model import Denied, DenySecret, DenySettings
from shared.configuration.problems import Report
from shared.validation import Path
from shared.vault_uri import NotAVault, vault_uri

Names = list[str]


class DeniedSection(msgspec.Struct, rename="pascal", frozen=True):
    """What is shut out; also the shape of the secret that holds such lists."""

    keys: Annotated[Names, Meta(description="Ids of API keys.")] = []
    principals: Annotated[Names, Meta(description="Callers: tid/oid, key/<id>, anonymous.")] = []
    client_ids: Annotated[Names, Meta(description="Client applications.")] = []
    tenants: Names = []
    tools: Names = []


class DenySecretSection(msgspec.Struct, rename="pascal", frozen=True):
    vault_uri: Annotated[str, Meta(description="https://<name>.vault.azure.net")]
    secret_name: str
    refresh_seconds: Annotated[
        float, Meta(ge=5, le=3600, description="How often the secret is read.")
    ] = 30.0
    grace_seconds: Annotated[
        float,
        Meta(ge=0, le=86400, description="How long the last lists count while it is unreadable."),
    ] = 300.0


class DenySection(msgspec.Struct, rename="pascal", frozen=True):
    keys: Annotated[Names, Meta(description="Ids of API keys.")] = []
    principals: Annotated[Names, Meta(description="Callers: tid/oid, key/<id>, anonymous.")] = []
    client_ids: Annotated[Names, Meta(description="Client applications.")] = []
    tenants: Names = []
    tools: Names = []
    key_vault: Annotated[
        DenySecretSection | None,
        Meta(description="A secret with more of the same lists, as JSON; works without restart."),
    ] = None


def read(section: DenySection, report: Report) -> DenySettings:
    """The section as settings. Whether the tools exist is checked when they are known."""
    at: Path = ("Deny",)
    secret = None
    if section.key_vault is not None:
        given = section.key_vault
        try:
            uri = vault_uri(given.vault_uri)
        except NotAVault as error:
            report.error((*at, "KeyVault", "VaultUri"), f"is {error}")
            uri = ""
        secret = DenySecret(uri, given.secret_name, given.refresh_seconds, given.grace_seconds)
    paths = {name: (*at, "Tools", i) for i, name in enumerate(section.tools)}
    return DenySettings(lists(section), secret, paths)


def lists(section: DenySection | DeniedSection) -> Denied:
    """The lists in the form in which they are compared."""
    return Denied(
        frozenset(section.keys),
        frozenset(name.lower() for name in section.principals),
        frozenset(name.lower() for name in section.client_ids),
        frozenset(name.lower() for name in section.tenants),
        frozenset(section.tools),
    )
