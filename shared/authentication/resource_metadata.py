"""Protected resource metadata (RFC 9728): how a client finds out where to sign in, and for what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.configuration.model import AuthenticationSettings, EntraScheme

METADATA_PATH = "/.well-known/oauth-protected-resource"
SERVER_METADATA_PATH = "/.well-known/oauth-authorization-server"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class ResourceMetadata:
    """What is published about this endpoint as an OAuth resource.

    `url` is where, with the endpoint's path as its suffix (RFC 9728 section 3.1). `scopes` are
    those a client should ask for at first, `prefix` what turns a scope's short name into the form
    that Entra ID wants to be asked for. `issuer` is the authorization server that this endpoint
    describes itself, when it does.
    """

    url: str
    document: Mapping[str, Any]
    scopes: tuple[str, ...]
    prefix: str
    issuer: str | None = None

    def qualified(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Scopes as a client has to ask for them: `api://…/read` for `read`.

        As they are published, where they are, whatever the identifier they are published under.
        """
        published: Sequence[str] = self.document["scopes_supported"]
        forms = []
        for scope in scopes:
            form = _qualified(scope, self.prefix)
            like = (full for full in published if full.rpartition("/")[2] == scope)
            forms.append(form if form in published else next(like, form))
        return tuple(forms)


def describe(
    settings: AuthenticationSettings, public_url: str, first: Iterable[str], every: Iterable[str]
) -> ResourceMetadata | None:
    """The metadata of an endpoint: what the configuration says word for word, the rest derived.

    None where no scheme takes access tokens. `first` are the scopes that a client needs for the
    endpoint at large, `every` those that some tool asks for, both in short form.
    """
    scheme, given = settings.entra, settings.protected_resource
    if scheme is None:
        return None
    prefix = _prefix(scheme, public_url)
    asked = [_qualified(scope, prefix) for scope in sorted(set(every))]
    # Entra ID refuses a request without a scope (AADSTS900144); .default asks for what is granted.
    supported = list(given.scopes_supported) or asked or [f"{prefix}/.default"]
    servers = list(given.authorization_servers)
    issuer = public_url if given.serve_authorization_server else None
    document = {
        "resource": given.resource or public_url,
        "authorization_servers": servers or ([issuer] if issuer else _servers(scheme)),
        "scopes_supported": supported,
        "bearer_methods_supported": list(given.bearer_methods_supported) or ["header"],
    }
    if given.resource_name:
        document["resource_name"] = given.resource_name
    parts = urlsplit(public_url)
    url = f"{parts.scheme}://{parts.netloc}{METADATA_PATH}{parts.path}"
    metadata = ResourceMetadata(url, document, (), prefix, issuer)
    scopes = metadata.qualified(sorted(first)) or tuple(supported)
    return ResourceMetadata(url, document, scopes, prefix, issuer)


def server_document(metadata: ResourceMetadata, upstream: Mapping[str, Any]) -> Mapping[str, Any]:
    """Authorization server metadata (RFC 8414) of our own issuer, with Entra ID's endpoints.

    For clients that insist on what Entra's document leaves out. Nothing passes through here: codes
    and tokens go between the client and Entra ID. An endpoint it does not name is left out.
    """
    return {
        "issuer": metadata.issuer,
        **{name: upstream[name] for name in _ENDPOINTS if isinstance(upstream.get(name), str)},
        "scopes_supported": metadata.document["scopes_supported"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [
            "none",
            "client_secret_post",
            "client_secret_basic",
            "private_key_jwt",
        ],
    }


def own_prefixes(scheme: EntraScheme | None, public_url: str) -> list[str]:
    """The identifiers of this endpoint: a scope `<identifier>/x` is `x` for these alone."""
    if scheme is None:
        return [public_url]
    by_id = [f"api://{scheme.client_id}"] if scheme.client_id else []
    return [public_url, *scheme.audiences, *by_id]


def _prefix(scheme: EntraScheme, public_url: str) -> str:
    """The App ID URI: the public URL where it is one, else the first configured."""
    uris = [audience for audience in scheme.audiences if ":" in audience]
    if public_url in uris:
        return public_url
    return uris[0] if uris else f"api://{scheme.client_id or scheme.audiences[0]}"


def _qualified(scope: str, prefix: str) -> str:
    return scope if "://" in scope else f"{prefix}/{scope}"


def _servers(scheme: EntraScheme) -> list[str]:
    """The v2 issuer of each tenant, by the tenant's id: a client compares it with the metadata."""
    base, _, _ = scheme.authority.rpartition("/")
    return [f"{base}/{tenant}/v2.0" for tenant in sorted(scheme.tenants)]
