"""The development identity as the tenant whose users and policies credentials meet."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import parse_qsl, urlsplit

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from development.directory import AGENT, user_named
from development.grants import challenge_of
from development.identity import TENANT
from development.registration import API_SECRET, Registration
from development.serving import Served
from shared.caller import Caller
from shared.configuration.outbound import (
    Application,
    ClientCredential,
    ClientSecret,
    UseOnBehalfOf,
)
from shared.credentials.entra_app import Reach
from tests.credentials.support import claims_of

API = "api://invoices"
UNCONSENTED = "https://unconsented.azure.com"
_REDIRECT = "http://localhost:3118/callback"
_VERIFIER = "v" * 43


@dataclass(frozen=True)
class Certificate:
    """A certificate of the API with its key, in the forms Key Vault keeps."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def public(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def pem(self) -> str:
        private = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return private.decode() + self.public

    @property
    def pfx(self) -> bytes:
        return pkcs12.serialize_key_and_certificates(
            b"api", self.key, self.certificate, None, serialization.NoEncryption()
        )


def certificate(days: float = 30, *, since: float = 60, elliptic: bool = False) -> Certificate:
    """A certificate that expires in so many days, or did; valid `since` so many days ago."""
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if elliptic
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=since))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return Certificate(key, made)


@cache
def registered_certificate() -> Certificate:
    """The one the tenant's registration holds."""
    return certificate()


def registration() -> Registration:
    return Registration(
        identifier_uris=(API,),
        scopes=("read",),
        certificates=(registered_certificate().public,),
        unconsented=frozenset({UNCONSENTED, "https://vault.azure.net"}),
    )


def reach(served: Served) -> dict[str, Reach]:
    return {served.identity.base: Reach(served.secure_base, served.certificate_authority)}


def acting(served: Served, credential: ClientCredential | None = None) -> UseOnBehalfOf:
    """On behalf of the tenant's users, as the API."""
    client_id = served.identity.registration.client_id
    how = credential or ClientSecret(API_SECRET)
    return UseOnBehalfOf(Application(served.identity.base, client_id, how))


def signed_in(
    served: Served, name: str, claims: str | None = None, scope: str = f"{API}/.default"
) -> Caller:
    """A user of the tenant who has signed in to the API, with what `claims` ask for."""
    verify = str(served.certificate_authority)
    person = user_named(name)
    assert person is not None
    query = {
        "client_id": AGENT,
        "response_type": "code",
        "redirect_uri": _REDIRECT,
        "scope": scope,
        "code_challenge": challenge_of(_VERIFIER),
        "code_challenge_method": "S256",
        "prompt": "none",
        "login_hint": person.login,
        **({"claims": claims} if claims else {}),
    }
    asked = requests.get(
        f"{served.authority}/oauth2/v2.0/authorize",
        query,
        allow_redirects=False,
        verify=verify,
        timeout=30,
    )
    answered = dict(parse_qsl(urlsplit(asked.headers["Location"]).query))
    redeemed = requests.post(
        f"{served.authority}/oauth2/v2.0/token",
        {
            "grant_type": "authorization_code",
            "client_id": AGENT,
            "code": answered["code"],
            "redirect_uri": _REDIRECT,
            "code_verifier": _VERIFIER,
        },
        verify=verify,
        timeout=30,
    )
    token: str = redeemed.json()["access_token"]
    claimed = claims_of(token)
    return Caller(
        "user",
        tenant_id=TENANT,
        object_id=person.object_id,
        expires_at=claimed["exp"],
        assertion=token,
    )
