"""What the toolsets and the services they call need to be allowed: one table.

Application ids and permission ids are Microsoft's, the same in every tenant.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Permission:
    """The delegated permission of one service.

    `resources` are the names of the service in token requests, without `/.default`, per cloud;
    `toolsets` those that call it. `role` is what the identity that calls needs in the service
    itself, whichever strategy it comes from.
    """

    service: str
    resources: tuple[str, ...]
    app_id: str
    permission: str
    permission_id: str
    role: str
    toolsets: tuple[str, ...] = ()


PERMISSIONS = (
    Permission(
        "Azure OSSRDBMS Database",
        (
            "https://ossrdbms-aad.database.windows.net",
            "https://ossrdbms-aad.database.usgovcloudapi.net",
            "https://ossrdbms-aad.database.chinacloudapi.cn",
        ),
        "123cd850-d9df-40bd-94d5-c9f07b7fa203",
        "user_impersonation",
        "cef99a3a-4cd3-4408-8143-4375d1e38a17",
        "a database role made with pgaadauth_create_principal, with SELECT on what may be read",
        ("postgres",),
    ),
    Permission(
        "Azure Key Vault",
        (
            "https://vault.azure.net",
            "https://vault.usgovcloudapi.net",
            "https://vault.azure.cn",
        ),
        "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        "user_impersonation",
        "f53da476-18e3-4152-8e01-aec403e6edc0",
        "Key Vault Secrets User on the vault",
    ),
    Permission(
        "Azure Storage",
        ("https://storage.azure.com",),
        "e406a681-f3d4-42a8-90b6-c2b029497af1",
        "user_impersonation",
        "03e0da56-190b-40ad-a80c-ea378c433f7f",
        "Storage Blob Data Reader on the account",
    ),
    Permission(
        "Azure Resource Manager",
        (
            "https://management.azure.com",
            "https://management.core.windows.net",
            "https://management.usgovcloudapi.net",
            "https://management.chinacloudapi.cn",
        ),
        "797f4846-ba00-4fd7-ba43-dac1f8f63013",
        "user_impersonation",
        "41094075-9dad-400e-a0bd-54e686782033",
        "Reader on the subscription or resource group",
    ),
    Permission(
        "Microsoft Graph",
        (
            "https://graph.microsoft.com",
            "https://graph.microsoft.us",
            "https://microsoftgraph.chinacloudapi.cn",
        ),
        "00000003-0000-0000-c000-000000000000",
        "User.Read",
        "e1fe6dd8-ba31-4d61-89e7-88639da4683d",
        "none: the permission says it all",
    ),
)


def permission_for(resource: str) -> Permission | None:
    """The permission that calls to a resource need, as far as the table knows it."""
    name = resource.rstrip("/").lower()
    return next((p for p in PERMISSIONS if name in (*p.resources, p.app_id)), None)
