"""Applications prove who they are: by secret, certificate or federated token."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from development.directory import DAEMON, DAEMON_SECRET, STRANGER, STRANGER_SECRET
from development.identity import TENANT
from development.registration import API_SECRET
from development.scopes import EXCHANGE
from development.signing_keys import SigningKeys
from tests.development.support import (
    API,
    ASSERTION_TYPE,
    BASE,
    NOON,
    REGISTRATION,
    Bench,
    claims_of,
    refused,
)

ENDPOINT = f"{BASE}/{TENANT}/oauth2/v2.0/token"
SECURE = "https://127.0.0.1:7073"


@dataclass(frozen=True)
class Certificate:
    """A key with a certificate of its own, as an application registers one."""

    key: rsa.RSAPrivateKey
    pem: str
    sha1: str
    sha256: str

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


def certificate() -> Certificate:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api")])
    start = datetime.fromtimestamp(NOON, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    prints = [
        base64.urlsafe_b64encode(made.fingerprint(kind)).decode().rstrip("=")
        for kind in (hashes.SHA1(), hashes.SHA256())  # noqa: S303
    ]
    return Certificate(key, pem, *prints)


@pytest.fixture(scope="module")
def registered() -> Certificate:
    return certificate()


@pytest.fixture
def api(keys: SigningKeys, registered: Certificate) -> Bench:
    """The API has a certificate and can be reached over https as well."""
    bench = Bench(keys).registered(certificates=(registered.pem,))
    bench.identity.under(SECURE)
    return bench


def assertion(
    by: Certificate,
    claims: Mapping[str, Any] | None = None,
    header: Mapping[str, Any] | None = None,
    algorithm: str = "PS256",
) -> str:
    client_id = REGISTRATION.client_id
    own = {
        "iss": client_id,
        "sub": client_id,
        "aud": ENDPOINT,
        "jti": "1",
        "nbf": NOON,
        "exp": NOON + 600,
    }
    thumbprint = {"x5t#S256": by.sha256}
    return jwt.encode({**own, **(claims or {})}, by.key, algorithm, dict(header or thumbprint))


async def asserted(bench: Bench, text: str, **changes: str | None) -> tuple[int, Any]:
    """A client credentials request of the API with an assertion."""
    form = {
        "client_id": bench.registration.client_id,
        "client_secret": None,
        "client_assertion": text,
        "client_assertion_type": ASSERTION_TYPE,
    }
    return await bench.daemon(**{**form, **changes})


async def test_a_secret_may_come_by_http_basic(bench: Bench) -> None:
    def basic(name: str, secret: str) -> dict[str, str]:
        pair = f"{quote(name)}:{quote(secret)}"
        return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    form = {"grant_type": "client_credentials", "scope": f"{API}/.default"}
    assert (await bench.token(basic(DAEMON, DAEMON_SECRET), **form))[0] == 200
    wrong = await bench.token(basic(DAEMON, STRANGER_SECRET), **form)
    assert refused(wrong) == (401, "invalid_client", 7000215)
    for value in ("Basic ###", "Basic bm9jb2xvbg==", "Basic"):
        broken = await bench.token({"authorization": value}, **form)
        assert refused(broken)[2] == 9002313


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"client_secret": "wrong"}, (401, "invalid_client", 7000215)),
        ({"client_secret": STRANGER_SECRET}, (401, "invalid_client", 7000215)),
        ({"client_secret": "ü"}, (401, "invalid_client", 7000215)),
        ({"client_secret": None}, (401, "invalid_client", 7000218)),
        ({"client_id": None}, (400, "invalid_request", 900144)),
        (
            {"client_id": "de5e1099-0000-4000-8000-00000000ffff"},
            (400, "unauthorized_client", 700016),
        ),
    ],
)
async def test_a_wrong_secret_opens_nothing_and_is_not_told(
    bench: Bench, changes: dict[str, str | None], told: tuple[int, str, int]
) -> None:
    answer = await bench.daemon(**changes)
    assert refused(answer) == told
    assert DAEMON_SECRET not in str(answer)
    assert STRANGER_SECRET not in str(answer)


async def test_a_client_id_is_taken_in_any_case(bench: Bench) -> None:
    assert (await bench.daemon(client_id=DAEMON.upper()))[0] == 200


@pytest.mark.parametrize("audience", [ENDPOINT, f"{SECURE}/{TENANT}/oauth2/v2.0/token"])
async def test_a_certificate_proves_the_application(
    api: Bench, registered: Certificate, audience: str
) -> None:
    status, answer = await asserted(api, assertion(registered, {"aud": audience}))
    assert status == 200, answer
    assert claims_of(answer["access_token"])["azpacr"] == "2"


async def test_the_older_thumbprint_and_algorithm_do_too(
    api: Bench, registered: Certificate
) -> None:
    text = assertion(registered, header={"x5t": registered.sha1}, algorithm="RS256")
    assert (await asserted(api, text, client_id=None))[0] == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://elsewhere.example/token"},
        {"aud": [ENDPOINT]},
        {"iss": DAEMON},
        {"sub": DAEMON},
        {"exp": NOON - 300},
        {"exp": None},
        {"nbf": NOON + 301},
        {"nbf": "soon"},
    ],
)
async def test_an_assertion_is_checked_in_every_part(
    api: Bench, registered: Certificate, claims: dict[str, Any]
) -> None:
    told = refused(await asserted(api, assertion(registered, claims)))
    assert told == (401, "invalid_client", 700027)


async def test_only_the_registered_certificate_counts(api: Bench, registered: Certificate) -> None:
    other = certificate()
    for text in (
        assertion(other),
        assertion(other, header={"x5t#S256": registered.sha256}),
        assertion(registered, header={"x5t#S256": other.sha256}),
        assertion(other, header={"x5c": [other.pem], "x5t#S256": other.sha256}),
        assertion(registered, header={"kid": "1"}),
        jwt.encode({"sub": "x"}, "k" * 32, "HS256", {"x5t#S256": registered.sha256}),
    ):
        assert refused(await asserted(api, text)) == (401, "invalid_client", 700027)
    told = refused(await asserted(api, assertion(registered), client_id=DAEMON))
    assert told == (401, "invalid_client", 700027)


@pytest.mark.parametrize("text", ["nonsense", "a.b.c", "x" * 30_000])
async def test_an_assertion_that_is_none_is_refused(api: Bench, text: str) -> None:
    assert refused(await asserted(api, text))[2] == 50027
    assert refused(await asserted(api, text, client_id=None))[2] == 50027


async def test_the_assertion_type_is_needed(api: Bench, registered: Certificate) -> None:
    told = refused(await asserted(api, assertion(registered), client_assertion_type=None))
    assert told == (400, "invalid_request", 900144)


async def exchange_token(bench: Bench, **changes: str | None) -> str:
    """What a workload presents for the API: a token of its own for the exchange."""
    workload = {
        "client_id": "de5e1099-0000-4000-8000-0000000000c4",
        "client_secret": "development-only-secret-of-the-workload",
        "scope": f"{EXCHANGE}/.default",
    }
    _, answer = await bench.daemon(**{**workload, **changes})
    return str(answer["access_token"])


async def test_a_workload_speaks_for_the_api(bench: Bench) -> None:
    token = await exchange_token(bench)
    assert (claims_of(token)["aud"], claims_of(token)["iss"]) == (
        EXCHANGE,
        f"{BASE}/{TENANT}/v2.0",
    )
    status, answer = await asserted(bench, token)
    assert status == 200
    assert claims_of(answer["access_token"])["azp"] == bench.registration.client_id


async def test_only_a_federated_subject_does(bench: Bench) -> None:
    stranger = await exchange_token(bench, client_id=STRANGER, client_secret=STRANGER_SECRET)
    assert refused(await asserted(bench, stranger)) == (401, "invalid_client", 70021)
    mine = await exchange_token(bench)
    assert refused(await asserted(bench, mine, client_id=DAEMON))[2] == 70021
    forged = jwt.encode(claims_of(mine), certificate().key, "RS256", {"kid": bench.keys.key_id})
    assert refused(await asserted(bench, forged))[2] == 50013
    bench.clock.now += 75 * 60 + 300
    assert refused(await asserted(bench, mine))[2] == 500133


async def test_the_apis_own_secret_is_taken(bench: Bench) -> None:
    answer = await bench.daemon(client_id=bench.registration.client_id, client_secret=API_SECRET)
    assert answer[0] == 200
