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
