"""Whatever a strategy works with, the log at its lowest level has no token, key or secret.

As endpoints log: azure-identity is silent, every other library tells all it can.
"""

import base64
import logging
import re
import traceback
from collections.abc import Callable

import pytest

from development.registration import API_SECRET
from development.serving import Served
from shared.caller import Caller
from shared.configuration.log_level import silence_azure_identity
from shared.configuration.outbound import (
    ClientSecret,
    FederatedIdentity,
    OutboundSettings,
    Strategy,
    UseClientCredentials,
    UseManagedIdentity,
    UseOnBehalfOf,
    VaultCertificate,
)
from shared.configuration.references import Reference
from shared.credential import CredentialRefused
from tests.credentials.support import (
    ARM,
    CALLERS,
    CLIENT,
    KINDS,
    SECRET,
    Maker,
    application,
    registered,
    user,
)
from tests.credentials.tenant import acting, reach, registered_certificate, signed_in
from tests.fakes.azure import FakeAzure
from tests.fakes.entra import EXCHANGE, TENANT, Application, object_id
from tests.fakes.faults import answer
from tests.fakes.managed_identity import SYSTEM_ASSIGNED

NAME = "kept"
TOKEN_OR_KEY = re.compile(r"eyJ[A-Za-z0-9]|PRIVATE KEY|MII[A-Za-z0-9+/]{20}")
LOGGERS = ("", "azure", "azure.core.pipeline.policies.http_logging_policy", "msal", "urllib3")

STRATEGIES: dict[str, Callable[[FakeAzure], Strategy]] = {
    "managed identity": lambda azure: UseManagedIdentity(),
    "secret": lambda azure: UseOnBehalfOf(application()),
    "secret in a vault": lambda azure: UseOnBehalfOf(
        application(ClientSecret("old-secret", Reference(azure.vault.uri, NAME)))
    ),
    "federated": lambda azure: UseOnBehalfOf(application(FederatedIdentity(None, EXCHANGE))),
    "itself": lambda azure: UseClientCredentials(application(), TENANT),
}


async def told_of(
    make: Maker, strategy: Strategy, caller: Caller, fails: bool, **more: object
) -> str:
    """What an exception says of itself to a log, where there is one."""
    credentials = make(OutboundSettings(dict.fromkeys(KINDS, strategy)), **more)
    try:
        await credentials.of(caller).get_token(ARM)
    except CredentialRefused as refused:
        assert fails
        return "".join(traceback.format_exception(refused)) + repr(refused)
    assert not fails
    return repr(credentials.of(caller))


def log_everything(caplog: pytest.LogCaptureFixture) -> None:
    silence_azure_identity()
    for name in LOGGERS:
        caplog.set_level(logging.DEBUG, name)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("name", STRATEGIES)
async def test_no_secret_is_logged_or_told(
    azure: FakeAzure,
    make: Maker,
    hosted: None,
    caplog: pytest.LogCaptureFixture,
    name: str,
    fails: bool,
) -> None:
    log_everything(caplog)
    registered(azure)
    azure.entra.applications[CLIENT] = Application({SECRET}, subjects={object_id(SYSTEM_ASSIGNED)})
    azure.vault.put(NAME, SECRET)
    if fails:
        refused = {"error": "invalid_client", "error_description": f"AADSTS7000215: {SECRET}"}
        for service in (azure.entra, azure.identity):
            service.faults.set("token", answer(401, refused))
    caller = CALLERS["key"] if name in ("managed identity", "itself") else user(azure)
    told = await told_of(make, STRATEGIES[name](azure), caller, fails) + caplog.text
    assert caplog.text
    header = azure.identity.app_service()["IDENTITY_HEADER"]
    assert not [s for s in (SECRET, "old-secret", header, caller.assertion) if s and s in told]
    assert not TOKEN_OR_KEY.search(told)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("form", ["pem", "pfx"])
async def test_no_key_of_a_certificate_is_logged_or_told(
    azure: FakeAzure,
    make: Maker,
    served: Served,
    hosted: None,
    caplog: pytest.LogCaptureFixture,
    form: str,
    fails: bool,
) -> None:
    log_everything(caplog)
    one = registered_certificate()
    value = one.pem if form == "pem" else base64.b64encode(one.pfx).decode()
    azure.vault.put(NAME, value[:-200] if fails else value)
    strategy = acting(served, VaultCertificate(azure.vault.uri, NAME))
    caller = signed_in(served, "alma")
    told = await told_of(make, strategy, caller, fails, reach=reach(served)) + caplog.text
    assert "secrets/kept" in caplog.text
    assert API_SECRET not in told
    assert value[200:260] not in told
    assert not TOKEN_OR_KEY.search(told)
