"""Warnings of what keeps clients from signing in, although every token would be taken.

A client reads the protected resource metadata (RFC 9728), asks Entra ID for a token for its
`resource` and a scope, and gives up, or Entra ID refuses, where the two do not fit together.
"""

from shared.configuration import authority
from shared.configuration.entra import Circumstances
from shared.configuration.model import EntraScheme, ProtectedResource
from shared.configuration.problems import Report
from shared.validation import Path
from shared.wording import shown

# Scopes of OpenID Connect have no resource in front of them.
_OPENID = {"openid", "profile", "email", "offline_access"}


def warn(
    scheme: EntraScheme,
    given: ProtectedResource,
    audiences: Path,
    resource: Path,
    report: Report,
    where: Circumstances,
) -> None:
    """Warn where clients that sign their user in cannot succeed.

    `audiences` is where the configuration lists what tokens may be for, `resource` its protected
    resource metadata. In development there is nobody to ask for a registration.
    """
    url = where.public_url
    if where.development or not url:
        return
    if given.resource is not None and given.resource != url:
        report.warn(
            (*resource, "Resource"),
            f"clients compare it with the URL they call and stop where it differs (RFC 9728 "
            f"section 3.3); expected {url}",
        )
    elif not _below(url, scheme, given):
        report.warn(
            audiences,
            "clients ask Entra ID for a token for Server:PublicUrl, which it refuses "
            "(AADSTS9010010) unless that is an App ID URI of the API. Register it as one, and add "
            f'it here: "{url}"',
        )
    for index, scope in enumerate(given.scopes_supported):
        if "/" not in scope and scope not in _OPENID:
            report.warn(
                (*resource, "ScopesSupported", index),
                f"{shown(scope)} is a short name, which Entra ID takes for a scope of Microsoft "
                f"Graph (AADSTS650053); expected the App ID URI before it: {url}/{scope}",
            )
    _check_servers(scheme, given, resource, report, where)


def _below(url: str, scheme: EntraScheme, given: ProtectedResource) -> bool:
    """Whether clients ask for scopes below the public URL: then it is an App ID URI."""
    scopes = [scope for scope in given.scopes_supported if scope not in _OPENID]
    if scopes:
        return all(scope.startswith(f"{url}/") for scope in scopes)
    return url in scheme.audiences


def _check_servers(
    scheme: EntraScheme,
    given: ProtectedResource,
    resource: Path,
    report: Report,
    where: Circumstances,
) -> None:
    """Clients compare an authorization server with the issuer of its metadata (RFC 8414 section
    3.3): for Entra ID the v2 issuer, with the tenant's id."""
    at = (*resource, "AuthorizationServers")
    for index, server in enumerate(given.authorization_servers):
        found = authority.parse(server)
        if found is None or not found.is_known:
            continue
        if found.tenant_id != found.tenant or server != found.v2_issuer(found.tenant):
            base, _, _ = scheme.authority.rpartition("/")
            servers = " or ".join(f"{base}/{tenant}/v2.0" for tenant in sorted(scheme.tenants))
            text = "clients compare it with the issuer in its metadata, which differs; expected "
            report.warn((*at, index), f"{text}{servers}")
    own = where.public_url
    if given.serve_authorization_server and own not in (given.authorization_servers or [own]):
        text = "does not name Server:PublicUrl, so that no client reads the metadata served here"
        report.warn(at, f"{text}; expected {own} alone, or ServeAuthorizationServerMetadata false")
