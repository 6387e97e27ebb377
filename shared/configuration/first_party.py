"""Microsoft's own resources: an API of somebody else's cannot be one of these."""

import re

_HOSTS = re.compile(
    r"https://([a-z0-9-]+\.)*("
    r"graph\.microsoft\.(com|us)|graph\.windows\.net|microsoftgraph\.chinacloudapi\.cn"
    r"|management\.(azure\.com|core\.windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)"
    r"|(vault|managedhsm)\.(azure\.net|usgovcloudapi\.net|azure\.cn)"
    r"|storage\.azure\.com|(blob|dfs|file|queue|table)\.core\.(windows\.net|usgovcloudapi\.net)"
    r"|database\.(windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)"
    r"|(cosmos|search|cognitiveservices|monitor|communication|batch)\.azure\.com"
    r"|(servicebus|eventhubs|containerregistry)\.azure\.net"
    r"|azconfig\.io|documents\.azure\.com|kusto\.windows\.net|analysis\.windows\.net"
    r"|dev\.azuresynapse\.net|api\.loganalytics\.io|api\.fabric\.microsoft\.com"
    r"|outlook\.office(365)?\.com|sharepoint\.com|dynamics\.com"
    r")(/.*)?"
)
# Azure AD Graph, Microsoft Graph, Power BI and others; Exchange, SharePoint and others.
_NUMBERED = re.compile(r"0000000[0-9a-f]-0000-(0000-c000|0ff1-ce00)-000000000000")
_APPLICATIONS = {
    "022907d3-0f1b-48f7-badc-1ba6abab6d66",  # Azure SQL Database
    "123cd850-d9df-40bd-94d5-c9f07b7fa203",  # Azure Database for PostgreSQL and MySQL
    "797f4846-ba00-4fd7-ba43-dac1f8f63013",  # Azure Resource Manager
    "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",  # Azure Key Vault
    "e406a681-f3d4-42a8-90b6-c2b029497af1",  # Azure Storage
}


def is_first_party(audience: str) -> bool:
    """Whether an audience is a resource of Microsoft's, as far as they are known here."""
    name = audience.lower().removeprefix("api://")
    if name in _APPLICATIONS or _NUMBERED.fullmatch(name):
        return True
    return _HOSTS.fullmatch(audience.lower()) is not None
