"""After the code: wait until the endpoint is ready, then say how to connect."""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from infra.hooks.azure_cli import Failed, Stopped, az, finish, say

SECONDS = 300
"""How long the endpoint may take. READY_SECONDS says otherwise."""
INTERVAL = 3.0


def main(environment: Mapping[str, str]) -> int:
    """Run the hook; the exit status."""
    try:
        missing = [
            name
            for name in ("MCP_URL", "FUNCTION_APP_NAME", "AZURE_RESOURCE_GROUP")
            if not environment.get(name)
        ]
        if missing:
            raise Stopped(f"azd's environment lacks {', '.join(missing)}. Run: azd provision")
        _wait(environment)
    except Stopped as error:
        return finish(error)
    _tell(environment)
    return 0


def _wait(environment: Mapping[str, str]) -> None:
    name, group = environment["FUNCTION_APP_NAME"], environment["AZURE_RESOURCE_GROUP"]
    subscription = environment.get("AZURE_SUBSCRIPTION_ID")
    try:
        host = az(
            *("functionapp", "show", "--resource-group", group, "--name", name),
            *("--query", "defaultHostName"),
            *(["--subscription", subscription] if subscription else []),
        )
    except Failed as error:
        raise Stopped(f"az cannot find the Function App {name} in {group}: {error}") from error
    seconds = float(environment.get("READY_SECONDS") or SECONDS)
    until, before = time.monotonic() + seconds, ""
    while True:
        state = _state(host)
        if state == "200":
            say("The endpoint is ready.")
            return
        if state != before:
            say(f"Waiting for https://{host}/readyz: {state}")
        before = state
        if time.monotonic() + INTERVAL > until:
            break
        time.sleep(INTERVAL)
    raise Stopped(
        f"The endpoint was not ready within {seconds:g} seconds: {state}\n"
        "503 means a configuration that it does not accept; its log says which key, and why. In the"
        f" portal: Function App {name}, Log stream. In Application Insights, Logs:\n"
        "  traces | where severityLevel >= 2 | top 20 by timestamp | project timestamp, message"
    )


def _state(host: str) -> str:
    """The status of /readyz, or why there is none."""
    try:
        with urllib.request.urlopen(f"https://{host}/readyz", timeout=10) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def _tell(environment: Mapping[str, str]) -> None:
    url, scope = environment["MCP_URL"], environment.get("REQUIRED_SCOPE") or "access_as_user"
    prefix = environment.get("APP_ID_URI") or f"api://{environment.get('ENTRA_CLIENT_ID', '')}"
    say(
        f"\nURL        {url}\n"
        f"client id  {environment.get('ENTRA_CLIENT_ID', '')} (of the API)\n"
        f"scope      {prefix}/{scope}\n\n"
        "VS Code, .vscode/mcp.json (it signs in by itself):\n"
        f'  {{"servers": {{"postern": {{"type": "http", "url": "{url}"}}}}}}\n\n'
        "curl, as yourself, when the Azure CLI is pre-authorized (docs/deploy.md):\n"
        f"  TOKEN=$(az account get-access-token --scope {prefix}/{scope}"
        " --query accessToken -o tsv)\n"
        f'  curl -H "Authorization: Bearer $TOKEN" {url.rsplit("/", 1)[0]}/tools\n\n'
        "Other clients: docs/clients/"
    )


if __name__ == "__main__":
    sys.exit(main(os.environ))
