"""Where Entra ID signs people in, and the issuers that its tokens name for a tenant.

Microsoft's reference of access tokens (`iss` of v1 and v2 tokens) and of national clouds.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

# Sign-in host of each cloud, and the host of the issuer in its v1 tokens.
_CLOUDS = {
    "login.microsoftonline.com": "sts.windows.net",
    "login.microsoftonline.us": "sts.windows.net",
    "login.partner.microsoftonline.cn": "sts.chinacloudapi.cn",
}
_OTHER_NAMES = {
    "login.microsoft.com": "login.microsoftonline.com",
    "login.windows.net": "login.microsoftonline.com",
    "sts.windows.net": "login.microsoftonline.com",
    "login.chinacloudapi.cn": "login.partner.microsoftonline.cn",
    "sts.chinacloudapi.cn": "login.partner.microsoftonline.cn",
}
# Authorities that stand for more than one tenant, in words.
_SHARED = {
    "common": "every tenant and every personal account",
    "organizations": "every tenant",
    "consumers": "every personal Microsoft account",
}
_CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HOST = r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
_TENANT = r"[a-z0-9._-]+|\{[^/{}]*\}"
_INSTANCE = re.compile(rf"https?://{_HOST}/?", re.IGNORECASE)
_AUTHORITY = re.compile(rf"(https?)://({_HOST})/({_TENANT})(/v2\.0)?/?", re.IGNORECASE)

SIGN_IN_HOSTS = ", ".join(_CLOUDS)


class Authority(NamedTuple):
    """A sign-in URL in parts. `tenant` is an id, a domain name, or a word such as `common`."""

    scheme: str
    host: str
    tenant: str

    @property
    def is_known(self) -> bool:
        """Whether the host is one of a cloud whose issuers we know."""
        return self.host in _CLOUDS

    @property
    def stands_for(self) -> str | None:
        """Whom it lets in where it stands for more than one tenant."""
        return _SHARED.get(self.tenant)

    @property
    def tenant_id(self) -> str | None:
        """The id of its one tenant, where it names that."""
        tenant = _CONSUMERS if self.tenant == "consumers" else self.tenant
        return tenant if is_guid(tenant) else None

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}/{self.tenant}"

    def v2_issuer(self, tenant: str) -> str:
        return f"{self.scheme}://{self.host}/{tenant}/v2.0"

    def issuers(self, tenants: Iterable[str]) -> dict[str, str]:
        """The `iss` of v1 and v2 tokens of these tenants, by id, each with its tenant's id."""
        v1_host = _CLOUDS.get(self.host, self.host)
        found = {}
        for tenant in tenants:
            found[self.v2_issuer(tenant)] = tenant
            found[f"{self.scheme}://{v1_host}/{tenant}/"] = tenant
        return found


def parse(text: str) -> Authority | None:
    """A sign-in URL with its tenant, `/v2.0` or not; a cloud's other names become its own."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    host = match[2].lower()
    return Authority(match[1].lower(), _OTHER_NAMES.get(host, host), match[3].lower())


def is_instance(text: str) -> bool:
    """Whether this is a sign-in URL without a tenant, such as https://login.microsoftonline.com/"""
    return _INSTANCE.fullmatch(text) is not None


def is_guid(text: str) -> bool:
    """Whether this is a GUID in lower case, as Entra ID writes it."""
    return _GUID.fullmatch(text) is not None


def guid_in(text: str) -> str | None:
    """The first GUID in a text, in lower case."""
    match = _GUID.search(text.lower())
    return match[0] if match else None
