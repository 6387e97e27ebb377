"""azd's variables: what may be in them, and what the hooks read from them.

The same names are in main.parameters.json. An empty variable is one that was not set.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

INFRA = Path(__file__).resolve().parents[1]
GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~-]+)+")
ACTS_AS_USER = ("JwtObo", "ByCaller")


@dataclass(frozen=True)
class Rule:
    """What a variable may hold: `fits` says whether it does, `expected` in words what would."""

    fits: Callable[[str], bool]
    expected: str


def _matching(pattern: str | re.Pattern[str], expected: str) -> Rule:
    return Rule(lambda value: re.fullmatch(pattern, value) is not None, expected)


def _one_of(*values: str) -> Rule:
    return Rule(values.__contains__, "one of " + ", ".join(values))


def _number(least: int, most: int) -> Rule:
    return Rule(
        lambda value: value.isascii() and value.isdigit() and least <= int(value) <= most,
        f"a whole number from {least} to {most}",
    )


def _each(rule: Rule, expected: str) -> Rule:
    return Rule(lambda value: all(map(rule.fits, listed(value))), expected)


def _is_network(value: str) -> bool:
    try:
        return ipaddress.IPv4Network(value).prefixlen == 24
    except ValueError:
        return False


_GUID = _matching(GUID, "a GUID")
_SWITCH = _one_of("true", "false")

RULES: Mapping[str, Rule] = {
    "AZURE_ENV_NAME": _matching(r"[A-Za-z0-9-]{1,40}", "1 to 40 letters, digits and hyphens"),
    "AZURE_LOCATION": _matching(r"[A-Za-z0-9 ]+", "an Azure region such as westeurope"),
    "AZURE_SUBSCRIPTION_ID": _GUID,
    "AZURE_RESOURCE_GROUP_NAME": _matching(
        r"[\w.()-]{0,89}[\w()-]",
        "at most 90 letters, digits and . _ - ( ), without a dot at its end",
    ),
    "KEEPER_PRINCIPAL_ID": _GUID,
    "ENTRA_BY": _one_of("bicep", "script", "existing"),
    "ENTRA_CLIENT_ID": _GUID,
    "ENTRA_TENANT_ID": _GUID,
    "ENTRA_APPLICATION_NAME": _matching(
        r"[A-Za-z0-9-]{3,80}", "3 to 80 letters, digits and hyphens"
    ),
    "ENTRA_TOOLSETS": _each(
        Rule(lambda name: name in known_toolsets(), ""),
        "names of toolsets in infra/permissions.json, with commas between them",
    ),
    "PREAUTHORIZED_CLIENT_IDS": _each(_GUID, "GUIDs with commas between them"),
    "APP_ID_URI": _matching(
        rf"api://[A-Za-z0-9._~/-]+|{URL.pattern}", "api://<client id>, or the public URL"
    ),
    "PUBLIC_URL": _matching(
        URL, "the URL clients call: https://<host>/<path>, without a slash at its end"
    ),
    "REQUIRED_SCOPE": _matching(r"[A-Za-z0-9._-]{1,120}", "1 to 120 letters, digits and . _ -"),
    "OUTBOUND_TYPE": _one_of("JwtObo", "ManagedIdentity", "ByCaller", "None"),
    "API_KEYS": _SWITCH,
    "INSTANCE_MEMORY_MB": _one_of("512", "2048", "4096"),
    "HTTP_CONCURRENCY": _number(1, 1000),
    "MAXIMUM_INSTANCES": _number(40, 1000),
    "ALWAYS_READY_INSTANCES": _number(0, 20),
    "PRIVATE_NETWORK": _SWITCH,
    "NETWORK_ADDRESS_PREFIX": Rule(_is_network, "the addresses of a network, as in 10.80.0.0/24"),
    "POSTGRES": _SWITCH,
    "POSTGRES_ADMIN_OBJECT_ID": _GUID,
    "POSTGRES_ADMIN_NAME": _matching(
        r"(?!\s)[^'\"\\$`\x00-\x1f]{1,256}", r"a name without quotes and without \ $ `"
    ),
    "POSTGRES_ADMIN_TYPE": _one_of("User", "Group", "ServicePrincipal"),
    "ALERT_EMAIL": _matching(
        r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", "one e-mail address"
    ),
    "LOG_RETENTION_DAYS": _number(30, 730),
}
"""What each variable may hold: what main.bicep takes, and nothing that ends or expands a string.

azd puts the values into the JSON of main.parameters.json, and they are shell variables besides.
"""

REQUIRED = ("AZURE_ENV_NAME", "AZURE_LOCATION")


def problems(environment: Mapping[str, str]) -> list[str]:
    """Everything that is wrong with the variables, with what to do about each."""
    found = [
        f"{name} is not set; expected {RULES[name].expected}. Run: azd env set {name} <value>"
        for name in REQUIRED
        if not environment.get(name)
    ]
    found += [
        f'{name} is "{_shown(environment[name])}"; expected {rule.expected}.'
        f" Run: azd env set {name} <value>"
        for name, rule in RULES.items()
        if environment.get(name) and not rule.fits(environment[name])
    ]
    if environment.get("ENTRA_BY") == "existing" and not environment.get("ENTRA_CLIENT_ID"):
        found.append(
            "ENTRA_BY is existing, but ENTRA_CLIENT_ID is not set. Run: azd env set ENTRA_CLIENT_ID"
            " <application (client) id>"
        )
    if environment.get("POSTGRES") == "true":
        found += [
            f"POSTGRES is true, but {name} is not set: who administers the server"
            f" ({RULES[name].expected}). Run: azd env set {name} <value>"
            for name in ("POSTGRES_ADMIN_OBJECT_ID", "POSTGRES_ADMIN_NAME")
            if not environment.get(name)
        ]
    return found


def _shown(value: str) -> str:
    """A value without what may be a password or a key in a URL."""
    return re.sub(r"//[^/]*@", "//…@", re.sub(r"\?.*", "?…", value, flags=re.DOTALL))


def known_toolsets() -> set[str]:
    """The toolsets that permissions.json has delegated permissions for."""
    table = json.loads((INFRA / "permissions.json").read_text(encoding="utf-8"))
    return {toolset for permission in table for toolset in permission["toolsets"]}


def listed(value: str) -> list[str]:
    """The items of a variable that holds a list."""
    return [item.strip() for item in value.split(",") if item.strip()]


@dataclass(frozen=True)
class Registration:
    """What the API's registration in Entra ID is to be.

    Attributes:
        by: `bicep`, `script`, or `existing`: somebody else takes care of it.
        name: By which the application is found again.
        client_id: Application (client) id, or empty before it is registered.
        acts_as_user: Whether tools call Azure as the user, which takes a federated credential.
        app_id_uri: What the endpoint was last told, or empty.
    """

    by: str
    name: str
    client_id: str
    tenant_id: str
    scope: str
    acts_as_user: bool
    toolsets: tuple[str, ...]
    clients: tuple[str, ...]
    app_id_uri: str
    location: str
    subscription: tuple[str, ...]


def registration(environment: Mapping[str, str]) -> Registration:
    """The registration that the variables ask for. They have no problems."""
    acts_as_user = (environment.get("OUTBOUND_TYPE") or "JwtObo") in ACTS_AS_USER
    toolsets = listed(environment.get("ENTRA_TOOLSETS", ""))
    if not toolsets and environment.get("POSTGRES") == "true":
        toolsets = ["postgres"]
    subscription = environment.get("AZURE_SUBSCRIPTION_ID")
    return Registration(
        by=environment.get("ENTRA_BY") or "bicep",
        name=environment.get("ENTRA_APPLICATION_NAME")
        or f"postern-{environment['AZURE_ENV_NAME']}",
        client_id=environment.get("ENTRA_CLIENT_ID", ""),
        tenant_id=environment.get("ENTRA_TENANT_ID", ""),
        scope=environment.get("REQUIRED_SCOPE") or "access_as_user",
        acts_as_user=acts_as_user,
        toolsets=tuple(toolsets) if acts_as_user else (),
        clients=tuple(listed(environment.get("PREAUTHORIZED_CLIENT_IDS", ""))),
        app_id_uri=environment.get("APP_ID_URI", ""),
        location=environment["AZURE_LOCATION"],
        subscription=("--subscription", subscription) if subscription else (),
    )
