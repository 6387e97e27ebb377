"""After the resources: Entra, second pass, with what is known only now: URL and identity."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from infra.hooks import entra, variables
from infra.hooks.azure_cli import Failed, Stopped, az, finish, remember, say

AUDIENCE = "Authentication__Schemes__Bearer__Audience"
OUTPUTS = (
    "ENTRA_CLIENT_ID",
    "MCP_URL",
    "FUNCTION_APP_NAME",
    "AZURE_RESOURCE_GROUP",
    "IDENTITY_PRINCIPAL_ID",
)


def main(environment: Mapping[str, str]) -> int:
    """Run the hook; the exit status."""
    try:
        missing = [name for name in OUTPUTS if not environment.get(name)]
        if missing:
            raise Stopped(
                f"azd's environment lacks {', '.join(missing)}, which azd provision puts there."
                " Run: azd provision"
            )
        wanted = variables.registration(environment)
        identity = environment["IDENTITY_PRINCIPAL_ID"] if wanted.acts_as_user else ""
        if wanted.by == "existing":
            _tell_the_owner(wanted, environment["MCP_URL"], identity)
        else:
            _register(wanted, identity, environment)
        if wanted.toolsets:
            say(
                f"The toolsets {', '.join(wanted.toolsets)} act as the user. Unless it is done, an"
                " administrator consents to that once for everybody:\n"
                f"  az ad app permission admin-consent --id {wanted.client_id}"
            )
    except Stopped as error:
        return finish(error)
    return 0


def _register(
    wanted: variables.Registration, identity: str, environment: Mapping[str, str]
) -> None:
    client_id, uri = entra.register(wanted, environment["MCP_URL"], identity)
    if client_id.lower() != wanted.client_id.lower():
        raise Stopped(
            f"Entra ID: {wanted.name} is {client_id}, but the endpoint was told"
            f' {wanted.client_id}. Run: azd env set ENTRA_CLIENT_ID "" and azd provision'
        )
    say(f"Entra ID: App ID URI {uri}")
    if uri == (wanted.app_id_uri or f"api://{wanted.client_id}"):
        return
    try:
        az(
            *("functionapp", "config", "appsettings", "set", *wanted.subscription),
            *("--resource-group", environment["AZURE_RESOURCE_GROUP"]),
            *("--name", environment["FUNCTION_APP_NAME"], "--settings", f"{AUDIENCE}={uri}"),
            *("--query", "[].name"),
        )
    except Failed as error:
        raise Stopped(
            f"The registration is done, but the app setting {AUDIENCE}={uri} could not be set:"
            f" {error}\nRun azd provision again; it goes on from here."
        ) from error
    remember("APP_ID_URI", uri)


def _tell_the_owner(wanted: variables.Registration, url: str, identity: str) -> None:
    """What whoever takes care of the registration has to know."""
    say(
        f"Entra ID: nothing was changed in {wanted.client_id} (ENTRA_BY=existing). It needs, if it"
        " does not have them yet:\n"
        f"- the App ID URI {url}, and then: azd env set APP_ID_URI {url}\n"
        f"- the scope and the app role {wanted.scope}"
    )
    if identity:
        say(f"- a federated credential for the managed identity with the principal id {identity}")
    if wanted.toolsets:
        say(
            f"- the delegated permissions of: {', '.join(wanted.toolsets)} (infra/permissions.json)"
        )
    options = f"--public-url {url}" + (f" --identity {identity}" if identity else "")
    say(f"If infra/entra.sh registered it, its owner runs that again with: {options}")


if __name__ == "__main__":
    sys.exit(main(os.environ))
