"""Which strategy each kind of caller gets, and what development keeps back."""

import pytest

from shared.caller import ANONYMOUS
from shared.configuration.outbound import (
    Application,
    CallerKind,
    ClientSecret,
    Deny,
    FederatedIdentity,
    OutboundSettings,
    Strategy,
    UseClientCredentials,
    UseManagedIdentity,
    UseOnBehalfOf,
    UsePassthrough,
    VaultCertificate,
)
from shared.credential import CredentialRefused
from tests.credentials.support import (
    ARM,
    CALLERS,
    CLIENT,
    INSTANCE,
    KINDS,
    SECRET,
    Maker,
    application,
    claims_of,
    for_everybody,
    registered,
    user,
    user_id,
)
from tests.fakes.azure import FakeAzure
from tests.fakes.entra import EXCHANGE, TENANT, object_id
from tests.fakes.entra import Application as Registered
from tests.fakes.managed_identity import SYSTEM_ASSIGNED


async def test_each_kind_of_caller_has_its_own_strategy(
    azure: FakeAzure, make: Maker, hosted: None
) -> None:
    registered(azure)
    credentials = make(
        OutboundSettings(
            {
                "user": UseOnBehalfOf(application()),
                "application": UseClientCredentials(application(), TENANT),
                "key": UseManagedIdentity(),
                "anonymous": Deny("outboundAuthentication:anonymous is not set"),
            }
        )
    )
    whom = [user(azure, 5), CALLERS["application"], CALLERS["key"]]
    got = [claims_of((await credentials.of(one).get_token(ARM)).token)["oid"] for one in whom]
    assert got == [user_id(5), object_id(CLIENT), object_id(SYSTEM_ASSIGNED)]
    with pytest.raises(CredentialRefused, match="outboundAuthentication:anonymous is not set"):
        await credentials.of(ANONYMOUS).get_token(ARM)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_denied_kind_is_told_which_key_decides(
    azure: FakeAzure, make: Maker, hosted: None, kind: CallerKind
) -> None:
    strategies: dict[CallerKind, Strategy] = dict.fromkeys(KINDS, UseManagedIdentity())
    credentials = make(OutboundSettings({**strategies, kind: Deny(f"{kind} is Deny")}))
    for one in KINDS:
        caller = CALLERS.get(one) or user(azure)
        if one == kind:
            with pytest.raises(CredentialRefused, match=f"{kind} is Deny"):
                await credentials.of(caller).get_token(ARM)
        else:
            await credentials.of(caller).get_token(ARM)


LOCAL = "http://127.0.0.1:7072"


def at(instance: str, credential: object) -> Application:
    return Application(instance, CLIENT, credential)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "strategy",
    [
        UseManagedIdentity(),
        UseManagedIdentity(CLIENT),
        UseClientCredentials(at(INSTANCE, ClientSecret(SECRET)), TENANT),
        UseClientCredentials(at(LOCAL, FederatedIdentity(None, EXCHANGE)), TENANT),
        UseOnBehalfOf(at(INSTANCE, FederatedIdentity(None, EXCHANGE))),
        UseOnBehalfOf(at(INSTANCE, VaultCertificate("https://abc.vault.azure.net", "c"))),
    ],
)
async def test_in_development_nothing_real_is_reached_unless_it_is_asked_for(
    azure: FakeAzure, make: Maker, hosted: None, strategy: Strategy
) -> None:
    """Callers of the development identity are invented, and would get the developer's rights."""
    credentials = make(for_everybody(strategy), development=True, reach={})
    for caller in (user(azure), CALLERS["key"]):
        with pytest.raises(CredentialRefused, match="--use-my-azure-login"):
            await credentials.of(caller).get_token(ARM)
    assert azure.identity.calls.operations() == []
    assert azure.entra.calls.operations() == []


async def test_in_development_invented_users_get_invented_tokens(
    azure: FakeAzure, make: Maker
) -> None:
    registered(azure)
    for strategy in (
        UseOnBehalfOf(application()),
        UseClientCredentials(application(), TENANT),
    ):
        credentials = make(for_everybody(strategy), development=True)
        await credentials.of(user(azure)).get_token(ARM)


async def test_with_the_developers_word_tools_act_as_the_developer(
    azure: FakeAzure, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.entra.applications[CLIENT] = Registered({SECRET})
    for name, value in {
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_CLIENT_SECRET": SECRET,
        "AZURE_AUTHORITY_HOST": azure.entra.url,
    }.items():
        monkeypatch.setenv(name, value)
    settings = OutboundSettings(dict.fromkeys(KINDS, UseManagedIdentity()), azure_login=True)
    credential = make(settings, development=True).of(CALLERS["key"])
    assert claims_of((await credential.get_token(ARM)).token)["appid"] == CLIENT
    assert credential.acted_as == "ManagedIdentity developer"


async def test_a_developer_who_is_not_signed_in_is_told(
    azure: FakeAzure, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    settings = OutboundSettings(dict.fromkeys(KINDS, UseManagedIdentity()), azure_login=True)
    with pytest.raises(CredentialRefused, match="az login"):
        await make(settings, transport=None).of(CALLERS["key"]).get_token(ARM)


async def test_the_own_token_is_passed_on_in_development_too(azure: FakeAzure, make: Maker) -> None:
    allowed = UsePassthrough(True, frozenset({CLIENT}))
    credentials = make(for_everybody(allowed), development=True)
    await credentials.of(user(azure)).get_token(f"{CLIENT}/.default")
