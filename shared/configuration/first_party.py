"""Microsoft's own resources: an API of somebody else's cannot be one of these."""

import re

# Microsoft's own, in every cloud; where it gives customers names, such as azurewebsites.net, is not
# among them.
_DOMAINS = re.compile(
    r"https?://(?!.*\.cloudapp\.azure\.com)([a-z0-9-]+\.)*("
    r"azure\.(com|net|us|cn)|windows\.net|(usgov|china)cloudapi\.(net|cn)"
    r"|microsoft\.(com|us)|office(365)?\.(com|us)|(sharepoint|dynamics)\.(com|us|cn)|powerbi\.com"
    r"|azconfig\.io|azuresynapse\.net|loganalytics\.io|visualstudio\.com"
    r")(:[0-9]+)?(/.*)?"
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
    return _DOMAINS.fullmatch(audience.lower()) is not None
