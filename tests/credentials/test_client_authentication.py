"""How the application proves to be it: secrets, certificates in a vault, a managed identity."""

import base64
import os
import time
from pathlib import Path

import pytest

from development.serving import Served
from shared.configuration.outbound import (
    ClientSecret,
    FederatedIdentity,
    SignedAssertion,
    VaultCertificate,
)
from shared.configuration.references import Reference
from shared.credential import CredentialRefused
from shared.credentials.by_caller import Credentials
from shared.credentials.certificates import parse
from shared.credentials.client_authentication import Proof
from shared.credentials.tokens import Key, Token, Wanted
from tests.credentials.support import (
    ARM,
    CLIENT,
    SECRET,
    Clock,
    Maker,
    claims_of,
    for_everybody,
    registered,
    user,
    user_id,
)
from tests.credentials.tenant import (
    Certificate,
    acting,
    certificate,
    reach,
    registered_certificate,
    signed_in,
)
from tests.fakes.azure import FakeAzure
from tests.fakes.entra import EXCHANGE, TENANT, Application, object_id
from tests.fakes.faults import HANG
from tests.fakes.key_vault import BROKEN, FORBIDDEN
from tests.fakes.managed_identity import SYSTEM_ASSIGNED

NAME = "api-certificate"
IDENTITY = "44444444-0000-4000-8000-000000000004"


class Bench:
    """Credentials whose certificate is in the fake vault, and a user of the tenant."""

    def __init__(self, azure: FakeAzure, make: Maker, served: Served) -> None:
        self.monotonic = Clock()
        self.clock = Clock(time.time())
        self.calls = azure.vault.calls
        self.credentials: Credentials = make(
            for_everybody(acting(served, VaultCertificate(azure.vault.uri, NAME))),
            reach=reach(served),
            monotonic=self.monotonic,
            clock=self.clock,
        )
        self.served = served

    async def token(self) -> str:
        """A token of a user who has just signed in."""
        caller = signed_in(self.served, "alma")
        return (await self.credentials.of(caller).get_token(ARM)).token

    async def refusal(self) -> str:
        with pytest.raises(CredentialRefused) as caught:
            await self.token()
        return str(caught.value)


@pytest.fixture
def bench(azure: FakeAzure, make: Maker, served: Served, hosted: None) -> Bench:
    return Bench(azure, make, served)


def stored(azure: FakeAzure, one: Certificate, form: str = "pem") -> None:
    if form == "pem":
        azure.vault.put(NAME, one.pem, content_type="application/x-pem-file")
    else:
        value = base64.b64encode(one.pfx).decode()
        azure.vault.put(NAME, value, content_type="application/x-pkcs12")


@pytest.mark.parametrize("form", ["pem", "pfx"])
async def test_a_certificate_in_the_vault_proves_the_application(
    azure: FakeAzure, bench: Bench, form: str
) -> None:
    stored(azure, registered_certificate(), form)
    assert claims_of(await bench.token())["appidacr"] == "2"
    await bench.token()
    assert bench.calls.count("get", NAME) == 1


async def test_the_certificate_may_stand_behind_others_of_its_chain(
    azure: FakeAzure, bench: Bench
) -> None:
    azure.vault.put(NAME, certificate().public + registered_certificate().pem)
    await bench.token()


async def test_a_vault_without_the_certificate_is_told(azure: FakeAzure, bench: Bench) -> None:
    told = await bench.refusal()
    assert f"There is no secret {NAME} in {azure.vault.uri}" in told
    stored(azure, registered_certificate())
    bench.monotonic.now += 6
    await bench.token()


async def test_a_vault_that_refuses_is_told(azure: FakeAzure, bench: Bench) -> None:
    stored(azure, registered_certificate())
    azure.vault.faults.set("get", FORBIDDEN)
    assert "Key Vault Secrets User" in await bench.refusal()


async def test_an_expired_certificate_is_told_with_its_date(azure: FakeAzure, bench: Bench) -> None:
    old = certificate(days=-1)
    stored(azure, old)
    told = await bench.refusal()
    expired = old.certificate.not_valid_after_utc
    assert f"{NAME} in {azure.vault.uri} expired on {expired:%Y-%m-%d}" in told


async def test_a_certificate_that_expires_while_in_use_is_replaced(
    azure: FakeAzure, bench: Bench
) -> None:
    stored(azure, registered_certificate())
    await bench.token()
    bench.clock.now += 31 * 86400
    assert "expired on" in await bench.refusal()
    stored(azure, certificate(days=60))
    bench.monotonic.now += 61
    # The tenant does not know the new one: so it was used.
    assert "AADSTS700027" in await bench.refusal()


async def test_a_certificate_that_is_not_valid_yet_is_told_with_its_date(
    azure: FakeAzure, bench: Bench
) -> None:
    coming = certificate(since=-1)
    stored(azure, coming)
    told = await bench.refusal()
    begins = coming.certificate.not_valid_before_utc
    assert f"{NAME} in {azure.vault.uri} is not valid before {begins:%Y-%m-%d}" in told


async def test_the_old_certificate_serves_until_the_new_one_is_valid(
    azure: FakeAzure, bench: Bench
) -> None:
    stored(azure, registered_certificate())
    await bench.token()
    stored(azure, certificate(since=-1))
    bench.monotonic.now += 3601
    await bench.token()
    await azure.vault.calls.arrival("get", 2)
    for _ in range(5):
        await bench.token()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("not a certificate at all", "no PEM and no PFX"),
        (base64.b64encode(b"neither is this").decode(), "no PEM and no PFX"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no PEM and no PFX"),
        ("", "no PEM and no PFX"),
    ],
)
async def test_what_is_no_certificate_is_told(
    azure: FakeAzure, bench: Bench, value: str, said: str
) -> None:
    azure.vault.put(NAME, value)
    assert said in await bench.refusal()


async def test_a_certificate_without_its_key_is_told(azure: FakeAzure, bench: Bench) -> None:
    azure.vault.put(NAME, registered_certificate().public)
    assert "lacks the private key" in await bench.refusal()


async def test_a_key_without_its_certificate_is_told(azure: FakeAzure, bench: Bench) -> None:
    own = certificate()
    key = own.pem.removesuffix(own.public)
    azure.vault.put(NAME, key + registered_certificate().public)
    assert "lacks the private key or its certificate" in await bench.refusal()


async def test_a_key_that_is_not_rsa_is_told(azure: FakeAzure, bench: Bench) -> None:
    stored(azure, certificate(elliptic=True))
    assert "has a key that is not RSA" in await bench.refusal()


async def test_a_rotated_certificate_is_taken_within_the_hour(
    azure: FakeAzure, bench: Bench
) -> None:
    stored(azure, registered_certificate())
    await bench.token()
    other = certificate()
    stored(azure, other)
    bench.monotonic.now += 3601
    await bench.token()  # Renews in the background; the old one still serves.
    await azure.vault.calls.arrival("get", 2)
    refused = ""
    for _ in range(100):
        try:
            await bench.token()
        except CredentialRefused as error:
            refused = str(error)
            break
    assert "AADSTS700027" in refused  # The tenant does not know the new one: so it was used.


async def test_a_certificate_entra_no_longer_takes_is_read_anew_at_once(
    azure: FakeAzure, bench: Bench
) -> None:
    stored(azure, certificate())
    assert "AADSTS700027" in await bench.refusal()
    stored(azure, registered_certificate())
    bench.monotonic.now += 61
    await bench.token()
    assert bench.calls.count("get", NAME) == 2


async def test_a_vault_outage_is_lived_through(azure: FakeAzure, bench: Bench) -> None:
    stored(azure, registered_certificate())
    await bench.token()
    azure.vault.faults.set("get", BROKEN)
    bench.monotonic.now += 20 * 3600
    await bench.token()
    bench.monotonic.now += 5 * 3600
    assert "cannot be had" in await bench.refusal()


def kept(azure: FakeAzure, make: Maker, monotonic: Clock, *, pinned: bool = False) -> Credentials:
    """Credentials whose client secret was read from the fake vault when they were made."""
    secret = azure.vault.put(NAME, "the-first-secret")
    reference = Reference(azure.vault.uri, NAME, secret.id if pinned else None)
    credential = ClientSecret("the-first-secret", reference)
    registered(azure, "the-first-secret")
    return make.on_behalf_of(credential, monotonic=monotonic)


async def test_a_client_secret_entra_no_longer_takes_is_read_anew(
    azure: FakeAzure, make: Maker, hosted: None, caplog: pytest.LogCaptureFixture
) -> None:
    monotonic = Clock()
    credentials = kept(azure, make, monotonic)
    await credentials.of(user(azure, 1)).get_token(ARM)
    assert azure.vault.calls.count("get") == 0
    azure.vault.put(NAME, "the-second-secret")
    registered(azure, "the-second-secret")
    for number in (2, 3):
        await credentials.of(user(azure, number)).get_token(ARM)
    assert azure.vault.calls.count("get") == 1
    assert "-secret" not in caplog.text


async def test_a_client_secret_that_nobody_replaced_is_read_once_a_minute(
    azure: FakeAzure, make: Maker, hosted: None
) -> None:
    monotonic = Clock()
    credentials = kept(azure, make, monotonic)
    registered(azure, "the-second-secret")
    for reads in (1, 1, 2):
        with pytest.raises(CredentialRefused, match="AADSTS7000215"):
            await credentials.of(user(azure)).get_token(ARM)
        assert azure.vault.calls.count("get") == reads
        monotonic.now += 31


async def test_a_client_secret_stays_what_it_was_where_the_vault_is_away(
    azure: FakeAzure, make: Maker, hosted: None
) -> None:
    credentials = kept(azure, make, Clock())
    registered(azure, "the-second-secret")
    azure.vault.faults.set("get", FORBIDDEN)
    with pytest.raises(CredentialRefused, match="AADSTS7000215"):
        await credentials.of(user(azure)).get_token(ARM)
    registered(azure, "the-first-secret")
    await credentials.of(user(azure)).get_token(ARM)


async def test_a_client_secret_of_one_version_is_not_replaced(
    azure: FakeAzure, make: Maker, hosted: None
) -> None:
    credentials = kept(azure, make, Clock(), pinned=True)
    azure.vault.put(NAME, "the-second-secret")
    registered(azure, "the-second-secret")
    with pytest.raises(CredentialRefused, match="AADSTS7000215"):
        await credentials.of(user(azure)).get_token(ARM)
    assert azure.vault.calls.count("get") == 0


@pytest.mark.parametrize("client_id", [None, IDENTITY])
async def test_a_managed_identitys_token_speaks_for_the_application(
    azure: FakeAzure, make: Maker, hosted: None, client_id: str | None
) -> None:
    subject = object_id(client_id or SYSTEM_ASSIGNED)
    azure.identity.user_assigned.add(IDENTITY)
    azure.entra.applications[CLIENT] = Application(subjects={subject})
    credentials = make.on_behalf_of(FederatedIdentity(client_id, EXCHANGE))
    for number in range(3):
        got = await credentials.of(user(azure, number)).get_token(ARM)
        assert claims_of(got.token)["oid"] == user_id(number)
    assert {call.details["credential"] for call in azure.entra.calls.all("token")} == {"assertion"}
    (asked,) = azure.identity.calls.all("token")
    assert (asked.name, asked.details["resource"]) == (client_id or "", EXCHANGE)
    assert azure.entra.calls.count("configuration") == 1


async def test_an_identity_that_is_not_federated_is_told(
    azure: FakeAzure, make: Maker, hosted: None
) -> None:
    azure.entra.applications[CLIENT] = Application(subjects={"another"})
    credentials = make.on_behalf_of(FederatedIdentity(None, EXCHANGE))
    with pytest.raises(CredentialRefused, match="no federated credential for this managed"):
        await credentials.of(user(azure)).get_token(ARM)


async def test_without_an_identity_endpoint_nothing_speaks_for_the_application(
    azure: FakeAzure, make: Maker, hosted: None
) -> None:
    azure.identity.faults.set("token", HANG)
    credentials = make.on_behalf_of(FederatedIdentity(None, EXCHANGE), timeout=0.5)
    with pytest.raises(CredentialRefused, match=r"did not answer within 0\.5 seconds"):
        await credentials.of(user(azure)).get_token(ARM)


async def test_an_assertion_is_read_anew_from_its_file(
    azure: FakeAzure, make: Maker, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    credentials = make.on_behalf_of(SignedAssertion(str(file)))
    for number, assertion in enumerate(["of.this.hour", "of.the.next"]):
        file.write_text(f"{assertion}\n")
        azure.entra.applications[CLIENT] = Application(federated={assertion})
        got = await credentials.of(user(azure, number)).get_token(ARM)
        assert claims_of(got.token)["oid"] == user_id(number)
    assert azure.entra.calls.count("token") == 2


PEM = b"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\n", b"\xff\xfe", PEM, b"a.b", b"a.b.c\nd.e.f", b"a.b." + b"c" * 70_000],
)
async def test_a_file_without_an_assertion_is_told(
    azure: FakeAzure, make: Maker, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    credentials = make.on_behalf_of(SignedAssertion(str(file)))
    with pytest.raises(CredentialRefused, match=r"workload\.identity/use") as caught:
        await credentials.of(user(azure)).get_token(ARM)
    assert azure.entra.calls.count("token") == 0
    assert "BEGIN" not in str(caught.value)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
async def test_what_is_no_file_keeps_no_thread_and_fills_no_memory(
    azure: FakeAzure, make: Maker, tmp_path: Path, kind: str
) -> None:
    file = {"pipe": tmp_path / "pipe", "device": Path("/dev/zero"), "folder": tmp_path}[kind]
    if kind == "pipe":
        os.mkfifo(file)
    credentials = make.on_behalf_of(SignedAssertion(str(file)), timeout=5)
    with pytest.raises(CredentialRefused, match="holds no token"):
        await credentials.of(user(azure)).get_token(ARM)


async def test_an_assertion_behind_links_is_read_as_kubernetes_renews_it(
    azure: FakeAzure, make: Maker, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "token").write_text("of.this.hour")
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "token").symlink_to("..data/token")
    azure.entra.applications[CLIENT] = Application(federated={"of.this.hour"})
    credentials = make.on_behalf_of(SignedAssertion(str(tmp_path / "token")))
    assert (await credentials.of(user(azure)).get_token(ARM)).token


def test_secrets_are_in_no_repr() -> None:
    one = registered_certificate()
    key = Key("JwtObo", TENANT, "user", SECRET, Wanted((ARM,)))
    shown = [ClientSecret(SECRET), Proof("1", SECRET), key, Token(SECRET, 0.0), parse(one.pem)]
    assert SECRET not in repr(shown)
    assert "PRIVATE KEY" not in repr(shown)
