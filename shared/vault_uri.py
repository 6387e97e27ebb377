"""Where key vaults live: the URIs that may be trusted with a token."""

import re

# Azure, Azure China, Azure US Government. A managed HSM holds no secrets.
_VAULT = re.compile(
    r"https://([a-z][a-z0-9-]{1,22}[a-z0-9]\.vault\.(?:azure\.net|azure\.cn|usgovcloudapi\.net))"
    r"(?::443)?/?",
    re.IGNORECASE,
)


class NotAVault(ValueError):
    """A URI that no Key Vault of Azure has. A token sent there could be used by whoever is."""


def vault_uri(text: str) -> str:
    """The URI of a vault in its usual form: `https://<name>.vault.azure.net`. Raises NotAVault.

    Takes https on the vault domains of Azure's clouds, and nothing else. Does not check whose the
    vault is, nor that it exists.
    """
    match = _VAULT.fullmatch(text)
    if match is None:
        raise NotAVault(
            "not the URI of a key vault; expected https://<name>.vault.azure.net (or the domain "
            "vault.azure.cn or vault.usgovcloudapi.net)"
        )
    return f"https://{match[1].lower()}"
