"""The API's registration in Entra ID, by entra.bicep or by entra.sh."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from infra.hooks.azure_cli import Failed, Stopped, az, run, say
from infra.hooks.variables import INFRA, Registration

URI_REFUSED = re.compile(
    "verified domain|HostNameNotOnVerifiedDomain|AsPerAppPolicy|nonDefaultUriAddition"
    "|uriAdditionWithoutUniqueTenantIdentifier",
    re.IGNORECASE,
)
"""How Entra says that a policy of the tenant forbids the form of an App ID URI."""

_ADVICE = (
    (
        r"Authorization_RequestDenied|Insufficient privileges",
        "You may not register applications in this tenant. Have an administrator run infra/entra.sh"
        " (see docs/deploy.md), then:\n"
        "  azd env set ENTRA_BY existing\n"
        "  azd env set ENTRA_CLIENT_ID <the client id it prints>",
    ),
    (
        r"uniqueName already exists",
        "An application of this name was deleted less than 30 days ago. Restore it, delete it for"
        " good, or take another name: azd env set ENTRA_APPLICATION_NAME <name>",
    ),
    (
        r"identifierUris already exists",
        "Another application has this URL as an App ID URI. Remove it there first.",
    ),
    (
        r"BCP\d+|restore|microsoftgraph|using a Bicep template",
        "If this is about Bicep or its Microsoft Graph extension: az bicep upgrade; or without:\n"
        "  azd env set ENTRA_BY script",
    ),
)


def check_existing(wanted: Registration) -> None:
    """Make sure that the client id is that of the application which the hooks take care of.

    Raises:
        Stopped: It is not there, or it is another one.
    """
    try:
        application: dict[str, Any] = az("ad", "app", "show", "--id", wanted.client_id)
    except Failed as error:
        raise Stopped(
            f"There is no application ENTRA_CLIENT_ID={wanted.client_id} in the tenant that az is"
            f" signed in to, or you may not read it:\n{error}\n"
            'To register it anew: azd env set ENTRA_CLIENT_ID ""\n'
            "If somebody else takes care of it: azd env set ENTRA_BY existing"
        ) from error
    if wanted.name not in (application.get("uniqueName") or application.get("displayName"),):
        raise Stopped(
            f"ENTRA_CLIENT_ID={wanted.client_id} is {application.get('displayName')}, and not"
            f" {wanted.name}, which these hooks take care of. To use it as it is: azd env set"
            " ENTRA_BY existing"
        )


def register(wanted: Registration, public_url: str = "", identity: str = "") -> tuple[str, str]:
    """Register the application, or bring it up to date.

    The second pass has a public URL, and the principal id of the identity that stands for the
    application, if one does.

    Returns:
        The client id; the App ID URI in the second pass, else "".

    Raises:
        Stopped: It could not be done; the message says what to do.
    """
    if wanted.by == "script":
        return _by_script(wanted, public_url, identity)
    if not public_url:
        return _by_bicep(wanted, _uris_of(wanted.name), ""), ""
    fallback = f"api://{wanted.client_id}"
    try:
        return _deploy(wanted, [public_url, fallback], identity), public_url
    except Failed as error:
        if not URI_REFUSED.search(str(error)):
            raise _advised(error) from error
    client_id = _by_bicep(wanted, [fallback], identity)
    say(
        f"The tenant refuses {public_url} as an App ID URI. It has {fallback} now.\n"
        "Lost: clients that name the URL they call when they ask for a token (most MCP clients) get"
        " AADSTS9010010.\n"
        "Ask an administrator to exempt this application from the policy"
        " identifierUriConfiguration, or use a domain that is verified in the tenant (PUBLIC_URL)."
        " Then run azd provision again."
    )
    return client_id, fallback


def owners(client_id: str) -> list[str]:
    """Who may change an application, and add a secret to it, by name; empty when it is not told."""
    try:
        found: list[dict[str, Any]] = az("ad", "app", "owner", "list", "--id", client_id) or []
    except Failed:
        return []
    return [str(one.get("userPrincipalName") or one.get("displayName")) for one in found]


def _uris_of(name: str) -> list[str]:
    """The App ID URIs an application of this name already has: entra.bicep replaces the list."""
    try:
        applications: list[dict[str, Any]] = az("ad", "app", "list", "--display-name", name)
    except Failed as error:
        raise _advised(error) from error
    return next(
        (found["identifierUris"] for found in applications if found.get("uniqueName") == name), []
    )


def _by_bicep(wanted: Registration, uris: list[str], identity: str) -> str:
    try:
        return _deploy(wanted, uris, identity)
    except Failed as error:
        raise _advised(error) from error


def _deploy(wanted: Registration, uris: list[str], identity: str) -> str:
    parameters: dict[str, Any] = {
        "uniqueName": wanted.name,
        "requiredScope": wanted.scope,
        "identifierUris": uris,
        "preAuthorizedClientIds": list(wanted.clients),
        "toolsets": list(wanted.toolsets),
        "identityPrincipalId": identity,
    }
    # A name is bound to the region of its first deployment: in another one it is refused.
    name = f"entra-{wanted.location.replace(' ', '').lower()}-{wanted.name}"[:64]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "entra.parameters.json")
        content = {
            "$schema": "https://schema.management.azure.com/schemas/2019-04-01/"
            "deploymentParameters.json#",
            "contentVersion": "1.0.0.0",
            "parameters": {name: {"value": value} for name, value in parameters.items()},
        }
        file.write_text(json.dumps(content), encoding="utf-8")
        outputs = az(
            *("deployment", "sub", "create", *wanted.subscription),
            *("--name", name, "--location", wanted.location),
            *("--template-file", str(INFRA / "entra.bicep"), "--parameters", f"@{file}"),
            *("--query", "properties.outputs"),
        )
    client_id: str = outputs["clientId"]["value"]
    return client_id


def _by_script(wanted: Registration, public_url: str, identity: str) -> tuple[str, str]:
    options = {
        "--name": wanted.name,
        "--scope": wanted.scope,
        "--tenant": wanted.tenant_id,
        "--toolsets": ",".join(wanted.toolsets),
        "--clients": ",".join(wanted.clients),
        "--public-url": public_url,
        "--identity": identity,
    }
    given = [part for option, value in options.items() if value for part in (option, value)]
    try:
        lines = run("sh", str(INFRA / "entra.sh"), *given, show=True).split()
    except Failed as error:
        raise Stopped("infra/entra.sh could not register the application; see above.") from error
    return lines[-1], lines[-2] if public_url else ""


def _advised(error: Failed) -> Stopped:
    text = str(error)
    advice = next((advice for pattern, advice in _ADVICE if re.search(pattern, text)), "")
    return Stopped(f"Entra ID: the application could not be registered.\n{text}\n{advice}".rstrip())
