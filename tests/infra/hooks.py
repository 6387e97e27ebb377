"""What azd's environment holds when a hook runs, and what a hook then did."""

from typing import Any

from infra.hooks.preprovision import PROVIDERS
from tests.infra.command_line import CLIENT, PRINCIPAL, SUBSCRIPTION, TENANT, URL, Call, CommandLine

BEFORE = {
    "AZURE_ENV_NAME": "dev",
    "AZURE_LOCATION": "westeurope",
    "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
}
AFTER = {
    **BEFORE,
    "ENTRA_CLIENT_ID": CLIENT,
    "MCP_URL": URL,
    "FUNCTION_APP_NAME": "func-postern",
    "AZURE_RESOURCE_GROUP": "rg-dev",
    "IDENTITY_PRINCIPAL_ID": PRINCIPAL,
}
DEPLOY = ("deployment", "sub", "create")
SETTINGS = ("functionapp", "config", "appsettings", "set")
MANAGED = {"appId": CLIENT, "displayName": "postern-dev", "uniqueName": "postern-dev"}
ALL_PROVIDERS = [*PROVIDERS, "Microsoft.Network", "Microsoft.DBforPostgreSQL"]


def deployed(line: CommandLine, number: int = 0) -> dict[str, Any]:
    """The parameters of a deployment of entra.bicep."""
    (file,) = line.calls(*DEPLOY)[number].files
    return {name: entry["value"] for name, entry in file["parameters"].items()}


def remembered(line: CommandLine) -> dict[str, str]:
    """What was set in azd's environment."""
    calls = line.calls("env", "set", program="azd")
    return {call.arguments[2]: call.arguments[3] for call in calls}


def changes(line: CommandLine) -> list[Call]:
    """The calls that changed something."""
    changing = (DEPLOY, SETTINGS, ("rest", "patch"))
    return [call for words in changing for call in line.calls(*words)]


def speak_as_graph(line: CommandLine) -> None:
    """Answers for entra.sh, which asks az for plain text."""
    line.when("account", "--query", "tenantId", says=f"{TENANT}\n", first=True)
    line.when("cloud", "name", says="AzureCloud\n")
    line.when("cloud", "endpoints.microsoftGraphResourceId", says="https://graph.microsoft.com/\n")
    line.when("rest", "get", says=f"{CLIENT}\n")
