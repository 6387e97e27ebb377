"""Before anything is created: is everything that was asked for possible? Then Entra, first pass."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from infra.hooks import entra, variables
from infra.hooks.azure_cli import Failed, Stopped, az, finish, remember, say

PROVIDERS = (
    "Microsoft.App",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
    "Microsoft.Web",
)


def main(environment: Mapping[str, str]) -> int:
    """Run the hook; the exit status."""
    try:
        problems = variables.problems(environment)
        problems += _of_azure(environment)
        if problems:
            lines = "\n".join(f"- {problem}" for problem in problems)
            raise Stopped(f"Nothing was created yet. To be mended first:\n{lines}")
        _register(variables.registration(environment))
    except Stopped as error:
        return finish(error)
    return 0


def _of_azure(environment: Mapping[str, str]) -> list[str]:
    """What the subscription is not ready for."""
    subscription = environment.get("AZURE_SUBSCRIPTION_ID", "")
    chosen = ["--subscription", subscription] if variables.GUID.fullmatch(subscription) else []
    try:
        account = az("account", "show", *chosen)
    except Stopped as error:
        return [str(error)]
    except Failed as error:
        if chosen and "az login" not in str(error):
            return [f"az has no access to the subscription {subscription}: {error}"]
        return ["az is not signed in (azd's own sign-in does not count for it). Run: az login"]
    found = []
    home = account["tenantId"].lower()
    if az("account", "show")["tenantId"].lower() != home:
        found.append(
            "az works in another tenant than the subscription's, and applications would be looked"
            f" for there. Run: az account set --subscription {subscription}"
        )
    tenant = environment.get("ENTRA_TENANT_ID", "").lower()
    if environment.get("ENTRA_BY") != "existing" and tenant not in ("", home):
        found.append(
            f"ENTRA_TENANT_ID is {tenant}, but the subscription's tenant is {home}:"
            " an application for another tenant is registered there, by infra/entra.sh. Then: azd"
            " env set ENTRA_BY existing"
        )
    try:
        found += _of_providers(environment, chosen)
        found += _of_region(environment.get("AZURE_LOCATION", ""), chosen)
    except Failed as error:
        found.append(f"Azure could not be asked what it offers (az upgrade, if az is old): {error}")
    return found


def _of_providers(environment: Mapping[str, str], chosen: list[str]) -> list[str]:
    states = az(
        "provider", "list", "--query", "[].{name:namespace,state:registrationState}", *chosen
    )
    registered = {item["name"].lower() for item in states if item["state"] == "Registered"}
    needed = [
        *PROVIDERS,
        *(["Microsoft.Network"] if environment.get("PRIVATE_NETWORK") == "true" else []),
        *(["Microsoft.DBforPostgreSQL"] if environment.get("POSTGRES") == "true" else []),
    ]
    return [
        f"The resource provider {name} is not registered in the subscription. Run: az provider"
        f" register --wait --namespace {name}"
        for name in needed
        if name.lower() not in registered
    ]


def _of_region(location: str, chosen: list[str]) -> list[str]:
    if not location:
        return []
    offered = {
        _plain(place["name"])
        for place in az("functionapp", "list-flexconsumption-locations", *chosen)
    }
    if _plain(location) in offered:
        return []
    return [
        f"AZURE_LOCATION is {location}, where there is no Flex Consumption. There is in:"
        f" {', '.join(sorted(offered))}"
    ]


def _plain(region: str) -> str:
    return region.replace(" ", "").lower()


def _register(wanted: variables.Registration) -> None:
    if wanted.by == "existing":
        say(f"Entra ID: {wanted.client_id} is taken as it is (ENTRA_BY=existing)")
    elif wanted.client_id:
        entra.check_existing(wanted)
        say(f"Entra ID: {wanted.name} is registered, {wanted.client_id}")
    else:
        say(f"Entra ID: registering {wanted.name}")
        client_id, _ = entra.register(wanted)
        remember("ENTRA_CLIENT_ID", client_id)
        say(f"Entra ID: registered, {client_id}")
        if owners := entra.owners(client_id):
            say(
                f"Its owners: {', '.join(owners)}. Each can add a secret and then is this"
                " application. Whom you do not know made it before you: take another name then,"
                " with azd env set ENTRA_APPLICATION_NAME <name>"
            )


if __name__ == "__main__":
    sys.exit(main(os.environ))
