"""Load a configuration written as text, and the JSON of PoshMcp's Authentication Guide."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.load import load
from shared.configuration.model import Settings
from shared.configuration.problems import ConfigurationError, Problem, Report

DEVELOPMENT = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}
SECRET = "s3cret-0123456789-abcdefghijklmnopqrstuvwxyz"
PUBLIC_URL = "https://mcp.example.com/mcp"
TENANT = "70a036f6-8e4d-4615-bad6-149c02e7720d"
OTHER_TENANT = "1c0ffee0-0000-4000-8000-00000000beef"
CLIENT_ID = "85a0b190-f927-4e27-b286-cd301d965e4a"
V1_ISSUER = f"https://sts.windows.net/{TENANT}/"
V2_ISSUER = f"https://login.microsoftonline.com/{TENANT}/v2.0"

# Word for word as the guide prints it.
GUIDE_API_KEYS = """\
{
"Authentication": {
"Enabled": true,
"DefaultScheme": "ApiKey",
"DefaultPolicy": {
"RequireAuthentication": true,
"RequiredScopes": [],
"RequiredRoles": ["reader"]
},
"Schemes": {
"ApiKey": {
"Type": "ApiKey",
"HeaderName": "X-API-Key",
"Keys": {
"key-reader": {
"Scopes": [],
"Roles": ["reader"]
},
"key-ops": {
"Scopes": [],
"Roles": ["ops", "reader"]
}
}
}
}
}
}
"""

GUIDE_ENTRA = """\
{
"Authentication": {
"Enabled": true,
"DefaultScheme": "Bearer",
"DefaultPolicy": {
"RequireAuthentication": true,
"RequiredScopes": ["api://poshmcp-prod/access_as_server"]
},
"Schemes": {
"Bearer": {
"Type": "JwtBearer",
"Authority": "https://login.microsoftonline.com/{tenant-id}",
"Audience": "api://poshmcp-prod",
"RequireHttpsMetadata": true,
"ValidIssuers": ["https://login.microsoftonline.com/{tenant-id}/v2.0"]
}
},
"ProtectedResource": {
"Resource": "api://poshmcp-prod",
"ResourceName": "PoshMcp Server",
"AuthorizationServers": ["https://login.microsoftonline.com/{tenant-id}"],
"ScopesSupported": ["api://poshmcp-prod/access_as_server"],
"BearerMethodsSupported": ["header"]
}
},
"PowerShellConfiguration": {
"CommandNames": ["Get-Process", "Get-Service"]
}
}
"""


# Word for word as the pull request prints its three configurations.
PULL_REQUEST_MANAGED_IDENTITY = """\
{
  "inboundAuthentication": {
    "type": "JwtBearerScheme",
    "azureAd": {
      "instance": "https://login.microsoftonline.com/",
      "tenantId": "70a036f6-8e4d-4615-bad6-149c02e7720d",
      "clientId": "85a0b190-f927-4e27-b286-cd301d965e4a",
      "audience": "85a0b190-f927-4e27-b286-cd301d965e4a"
    }
  },
  "outboundAuthentication": {
    "type": "ManagedIdentity",
    "clientId": "12345678-1234-1234-1234-123456789abc"
  }
}
"""

PULL_REQUEST_PASSTHROUGH = """\
{
  "inboundAuthentication": {
    "type": "JwtBearerScheme",
    "azureAd": {
      "instance": "https://login.microsoftonline.com/",
      "tenantId": "70a036f6-8e4d-4615-bad6-149c02e7720d",
      "clientId": "85a0b190-f927-4e27-b286-cd301d965e4a",
      "audience": "85a0b190-f927-4e27-b286-cd301d965e4a"
    }
  },
  "outboundAuthentication": {
    "type": "JwtPassthrough"
  }
}
"""

PULL_REQUEST_ON_BEHALF_OF = """\
{
  "inboundAuthentication": {
    "type": "JwtBearerScheme",
    "azureAd": {
      "instance": "https://login.microsoftonline.com/",
      "tenantId": "70a036f6-8e4d-4615-bad6-149c02e7720d",
      "clientId": "85a0b190-f927-4e27-b286-cd301d965e4a",
      "audience": "85a0b190-f927-4e27-b286-cd301d965e4a"
    }
  },
  "outboundAuthentication": {
    "type": "JwtObo",
    "clientCredential": {
      "kind": "ClientSecret",
      "secret": "your-client-secret"
    }
  }
}
"""


def bearer(**scheme: Any) -> dict[str, Any]:
    """A configuration without fault that takes tokens, with keys of its scheme replaced.

    None leaves a key out.
    """
    given = {
        "Type": "JwtBearer",
        "Authority": f"https://login.microsoftonline.com/{TENANT}",
        "Audience": PUBLIC_URL,
        "ClientId": CLIENT_ID,
        **scheme,
    }
    section = {"Enabled": True, "DefaultScheme": "Bearer", "Schemes": {"Bearer": given}}
    return {"Authentication": section, "Server": {"PublicUrl": PUBLIC_URL}}


def load_text(
    folder: Path, text: str | bytes, environment: Mapping[str, str] | None = None, **options: Any
) -> tuple[Settings, Report]:
    """Load `text` as the file given with --config, called settings.json."""
    file = folder / "settings.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(folder, environment or {}, config_file=file, **options)


def refused(
    folder: Path, text: str | bytes, environment: Mapping[str, str] | None = None, **options: Any
) -> list[Problem]:
    """The errors for which `text` is refused."""
    with pytest.raises(ConfigurationError) as caught:
        load_text(folder, text, environment, **options)
    return errors(caught.value.problems)


def errors(problems: list[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.level == "error"]


def warnings(problems: list[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.level == "warning"]
