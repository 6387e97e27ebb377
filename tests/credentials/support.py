"""Callers, settings, and what reaches the fakes."""

from typing import Any

import jwt

from shared.caller import ANONYMOUS, Caller
from shared.configuration.outbound import (
    Application,
    CallerKind,
    ClientCredential,
    ClientSecret,
    Deny,
    OutboundSettings,
    Strategy,
    UseOnBehalfOf,
)
from shared.credential import CredentialRefused
from shared.credentials.by_caller import Around, Credentials
from shared.credentials.credential import CallerCredential
from shared.credentials.entra_app import Reach
from shared.credentials.tokens import Wanted
from tests.fakes.azure import FakeAzure
from tests.fakes.entra import TENANT
from tests.fakes.entra import Application as Registered

CLIENT = "85a0b190-f927-4e27-b286-cd301d965e4a"
SECRET = "the-secret-of-the-application-0123456789"
INSTANCE = "https://login.microsoftonline.com"
ARM = "https://management.azure.com/.default"
POSTGRES = "https://ossrdbms-aad.database.windows.net/.default"
KINDS: tuple[CallerKind, ...] = ("user", "application", "key", "anonymous")


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def user_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def user(azure: FakeAzure, number: int = 1, seconds: float = 3600, **claims: Any) -> Caller:
    """A user with a token of the fake's that is for CLIENT."""
    id = user_id(number)
    token = azure.entra.mint(CLIENT, seconds, oid=id, sub=f"sub-{number}", scp="read", **claims)
    expires: float = jwt.decode(token, options={"verify_signature": False})["exp"]
    return Caller(
        "user",
        "Bearer",
        tenant_id=TENANT,
        object_id=id,
        client_id="00000000-0000-4000-8000-0000000000c1",
        expires_at=expires,
        assertion=token,
    )


def application_caller() -> Caller:
    return Caller(
        "application", "Bearer", tenant_id=TENANT, object_id=user_id(77), assertion="a.b.c"
    )


CALLERS = {
    "application": application_caller(),
    "key": Caller("key", "ApiKey", key_id="ApiKey-1"),
    "anonymous": ANONYMOUS,
}


def registered(azure: FakeAzure, *secrets: str) -> None:
    """Let the fake know CLIENT by these secrets, and by SECRET when none is named."""
    azure.entra.applications[CLIENT] = Registered(set(secrets or (SECRET,)))


def around(azure: FakeAzure, **more: Any) -> Around:
    """What leads Entra's and the vaults' names to the fakes."""
    reach = {INSTANCE: Reach(azure.entra.url, azure.ca_file)}
    return Around(**{"reach": reach, "transport": azure.transport, **more})


def application(credential: ClientCredential | None = None) -> Application:
    return Application(INSTANCE, CLIENT, credential or ClientSecret(SECRET))


def for_everybody(strategy: Strategy) -> OutboundSettings:
    strategies: dict[CallerKind, Strategy] = dict.fromkeys(KINDS, strategy)
    return OutboundSettings({**strategies, "anonymous": Deny("nobody said otherwise")})


class Maker:
    """Makes credentials that lead to the fakes; whoever has it closes them all in the end."""

    def __init__(self, azure: FakeAzure) -> None:
        self._azure = azure
        self._made: list[Credentials] = []

    def __call__(self, settings: OutboundSettings, **more: Any) -> Credentials:
        made = Credentials(settings, around(self._azure, **more))
        self._made.append(made)
        return made

    def on_behalf_of(self, credential: ClientCredential | None = None, **more: Any) -> Credentials:
        """Credentials that act on behalf of users, as CLIENT with SECRET or another credential."""
        return self(for_everybody(UseOnBehalfOf(application(credential))), **more)

    async def close(self) -> None:
        for made in self._made:
            await made.close()


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def token_in_time(credential: CallerCredential, scope: str = ARM) -> str:
    """A token of a credential that waits for so short a time that a busy machine may need longer:
    then of one of the next tries."""
    for _ in range(20):
        try:
            return (await credential.get_token(scope)).token
        except CredentialRefused as refused:
            if "did not answer within" not in str(refused):
                raise
    raise TimeoutError("not one of 20 tries was answered in time")


def wanted(*scopes: str, **more: Any) -> Wanted:
    return Wanted(scopes or (ARM,), **more)
