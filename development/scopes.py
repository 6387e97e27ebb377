"""What a request asks for: its `scope` and `resource`, resolved as Entra resolves them."""

import re
from dataclasses import dataclass
from typing import Literal

from development.errors import refusal
from development.registration import Registration

EXCHANGE = "api://AzureADTokenExchange"
"""The audience of tokens that speak for an application (federated credentials)."""
GRAPH = "00000003-0000-0000-c000-000000000000"
_GRAPH_URI = "https://graph.microsoft.com"
_OF_GRAPH = {"User.Read", "User.ReadBasic.All", "User.Read.All", "Mail.Read", "Files.Read"}
_OIDC = {"openid", "profile", "email", "offline_access"}
DEFAULT = ".default"
# Whatever Azure calls its own: the management plane, vaults, storage, databases.
_AZURE = re.compile(
    r"https://([a-z0-9-]+\.)*(azure\.com|azure\.net|windows\.net|microsoft\.com|azure\.us"
    r"|azure\.cn|usgovcloudapi\.net|chinacloudapi\.cn)/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Resource:
    """Something tokens are for. `uri` is the name it was asked for by, `id` its application."""

    id: str
    uri: str
    kind: Literal["api", "graph", "exchange", "azure"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A resource, its scopes by their short names, and the scopes of OpenID Connect."""

    resource: Resource
    scopes: tuple[str, ...]
    oidc: frozenset[str]

    @property
    def default(self) -> bool:
        """Whether everything is asked for that there is consent to (`.default`)."""
        return DEFAULT in self.scopes


def find(uri: str, registration: Registration) -> Resource | None:
    """The resource of that name, which must be written exactly as it is registered."""
    if uri in registration.identifier_uris or uri.lower() == registration.client_id:
        return Resource(registration.client_id, uri, "api")
    if uri.rstrip("/") in (_GRAPH_URI, GRAPH):
        return Resource(GRAPH, uri, "graph")
    if uri == EXCHANGE:
        return Resource(uri, uri, "exchange")
    if _AZURE.fullmatch(uri):
        return Resource(uri.rstrip("/"), uri, "azure")
    return None


def read(
    scope: str | None, resource: str | None, client_id: str, registration: Registration
) -> Asked:
    """What is asked for.

    `scope` must be there (AADSTS900144) and name one resource (28000), by a full scope: a bare one
    is Microsoft Graph's (650053). `resource` (RFC 8707) must be, character for character, an App
    ID URI of the application the scopes belong to (9010010); which of them a v1 token is for is the
    scopes' to say. Does not check who asks, nor whether there is consent.
    """
    if scope is None or not scope.strip():
        raise refusal(900144, "scope")
    names = scope.split()
    oidc = frozenset(name for name in names if name in _OIDC)
    found = [_split(name, registration) for name in names if name not in oidc]
    asked_of = {of.id for of, _ in found}
    if len(asked_of) > 1:
        raise refusal(28000, scope)
    of = found[0][0] if found else Resource(GRAPH, _GRAPH_URI, "graph")
    if resource is not None:
        named = find(resource, registration)
        if named is None or named.id != of.id:
            raise refusal(9010010)
    scopes = tuple(dict.fromkeys(name for _, name in found))
    if DEFAULT in scopes and len(scopes) > 1:
        raise refusal(70011, f"{scope} (.default stands alone)")
    known = {"api": registration.scopes, "graph": tuple(_OF_GRAPH)}.get(of.kind)
    for name in scopes:
        if known is not None and name not in (*known, DEFAULT):
            raise refusal(650053, client_id, name, of.id)
    return Asked(of, scopes, oidc)


def _split(scope: str, registration: Registration) -> tuple[Resource, str]:
    """The resource of a scope, and its short name."""
    for uri in (*sorted(registration.identifier_uris, key=len, reverse=True),):
        if scope.startswith(f"{uri}/"):
            return _named(uri, scope[len(uri) + 1 :], scope, registration)
    uri, slash, name = scope.rpartition("/")
    return _named(uri if slash else _GRAPH_URI, name, scope, registration)


def _named(uri: str, name: str, scope: str, registration: Registration) -> tuple[Resource, str]:
    if not name or not uri:
        raise refusal(70011, scope)
    if uri != _GRAPH_URI and name in _OIDC:
        raise refusal(65005, scope)
    resource = find(uri, registration)
    if resource is None:
        raise refusal(500011, uri)
    return resource, name
