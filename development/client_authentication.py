"""Which application asks for a token, and whether it has proved that (RFC 6749 section 2.3)."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from development import assertions
from development.directory import Client
from development.errors import refusal
from development.form import Form
from development.registration import Registration
from development.scopes import EXCHANGE
from development.tokens import Mint, Proof

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def authenticate(
    form: Form,
    headers: Mapping[str, str],
    registration: Registration,
    mint: Mint,
    audiences: tuple[str, ...],
) -> tuple[Client, Proof]:
    """The client behind a token request, and how it proved itself.

    Takes a secret in the body or by HTTP Basic, or an assertion (RFC 7523) signed with a
    registered certificate or, as a federated credential, by this identity. A public client must
    not bring one, any other has to. `audiences` are what an assertion may be addressed to. Does not
    check that an assertion is used only once; Entra does not either.
    """
    client_id, secret = _basic(headers)
    client_id = client_id or form.get("client_id")
    secret = secret or form.get("client_secret")
    assertion = form.get("client_assertion")
    if client_id is None and assertion is not None:
        client_id = str(_unverified(assertion).get("sub", ""))
    if client_id is None:
        raise refusal(900144, "client_id")
    client = registration.client(client_id)
    if client is None:
        raise refusal(700016, client_id)
    if client.public:
        if secret or assertion:
            raise refusal(700025)
        return client, "0"
    if assertion is not None:
        if form.get("client_assertion_type") != _ASSERTION_TYPE:
            raise refusal(900144, "client_assertion_type")
        return client, _asserted(assertion, client, mint, audiences)
    if secret is None:
        raise refusal(7000218)
    given = secret.encode()
    # No short cut through `any`: how long it takes tells nothing about which secret was near.
    if not sum(hmac.compare_digest(given, held.encode()) for held in client.secrets):
        raise refusal(7000215, client.id)
    return client, "1"


def _basic(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise refusal(9002313) from None
    if not colon:
        raise refusal(9002313)
    return unquote_plus(name), unquote_plus(secret)


def _asserted(assertion: str, client: Client, mint: Mint, audiences: tuple[str, ...]) -> Proof:
    """Check a client assertion: by a registered certificate, or by a federated subject."""
    claims = _unverified(assertion)
    if claims.get("aud") == EXCHANGE:
        subject = assertions.verified(assertion, mint, {EXCHANGE: EXCHANGE}).get("sub")
        if subject not in client.federated:
            raise refusal(70021, str(subject))
        return "2"
    key = _certified(jwt.get_unverified_header(assertion), client)
    if key is None:
        raise refusal(700027, "The key was not found among the application's certificates.")
    claims = assertions.signed_with(key, assertion, ("RS256", "PS256"), 700027)
    if claims.get("iss") != client.id or claims.get("sub") != client.id:
        raise refusal(700027, "The issuer and the subject must be the application's id.")
    if claims.get("aud") not in audiences:
        raise refusal(700027, "The audience must be the token endpoint.")
    assertions.check_times(claims, mint.now(), 700027)
    return "2"


def _unverified(assertion: str) -> dict[str, Any]:
    """What an assertion claims, to find out what to check it against."""
    try:
        claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise refusal(50027) from None
    return claims


def _certified(header: Mapping[str, Any], client: Client) -> rsa.RSAPublicKey | None:
    """The key of the registered certificate whose thumbprint the header gives, never one in it."""
    for pem in client.certificates:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key()
        thumbprints = {
            _base64(certificate.fingerprint(hashes.SHA1())): "x5t",  # noqa: S303
            _base64(certificate.fingerprint(hashes.SHA256())): "x5t#S256",
        }
        for thumbprint, name in thumbprints.items():
            given = str(header.get(name, "")).rstrip("=")  # MSAL leaves the padding on
            if given == thumbprint and isinstance(key, rsa.RSAPublicKey):
                return key
    return None


def _base64(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
