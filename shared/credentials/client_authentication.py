"""How the application proves to Entra that it is it: by a secret, a certificate or a token."""

import asyncio
import contextlib
import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from shared.configuration.outbound import (
    ClientSecret,
    FederatedIdentity,
    SignedAssertion,
    VaultCertificate,
)
from shared.credential import CredentialRefused
from shared.credentials import certificates
from shared.credentials.certificates import BadCertificate, Certificate
from shared.credentials.managed_identity import ManagedIdentity
from shared.credentials.tokens import Wanted
from shared.key_vault import KeyVault, Secret
from shared.refreshing import FetchFailed, Refreshed, Unavailable
from shared.vault_errors import VaultError

_log = logging.getLogger("postern.credentials")

REFRESH = 3600.0
"""Seconds after which the vault is asked for a newer certificate; a refused one is asked for
at once, but no more than once a minute."""
OUTAGE = 24 * 3600.0
_LONGEST_ASSERTION = 64 * 1024
_JWT = re.compile(rb"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")


class Proof(NamedTuple):
    """What MSAL is given. `version` changes with it and tells nothing of it."""

    version: str
    for_msal: Any

    def __repr__(self) -> str:
        return f"<Proof {self.version}>"


class ClientAuthentication(Protocol):
    """A client credential that may change while the endpoint runs."""

    async def current(self) -> Proof:
        """The one to use now. Raises CredentialRefused."""
        ...

    async def renewed(self) -> Proof:
        """The one to use after Entra refused the current one: newer, if there is a newer one."""
        ...


class SharedSecret:
    """A client secret as the configuration had it at start.

    One that comes from a vault, without a version, is read anew when Entra refuses it.
    """

    def __init__(
        self,
        settings: ClientSecret,
        open_vault: Callable[[str], KeyVault],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._proof = Proof("as at start", settings.secret)
        self._newest: Refreshed[Secret] | None = None
        reference = settings.reference
        if reference is not None and reference.version is None:
            vault, name = open_vault(reference.vault_uri), reference.name
            self._newest = Refreshed(
                f"the client secret {name}",
                lambda: _read(vault, name),
                refresh=REFRESH,
                outage=OUTAGE,
                clock=monotonic,
            )

    async def current(self) -> Proof:
        return self._proof

    async def renewed(self) -> Proof:
        if self._newest is not None:
            with contextlib.suppress(Unavailable):
                newest = await self._newest.renewed()
                if newest.value != self._proof.for_msal:
                    self._proof = Proof(str(newest.properties.version), newest.value)
        return self._proof


class CertificateInVault:
    """A certificate in a Key Vault, read as the secret behind it and followed as it is rotated.

    `clock` is in seconds since the epoch, `monotonic` for how fresh the certificate is.
    """

    def __init__(
        self,
        settings: VaultCertificate,
        vault: KeyVault,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = settings.name
        self._vault = vault
        self._clock = clock
        self._why = ""
        self._certificate: Refreshed[Certificate] = Refreshed(
            f"the certificate {settings.name}",
            self._fetch,
            refresh=REFRESH,
            outage=OUTAGE,
            clock=monotonic,
        )

    async def current(self) -> Proof:
        return await self._proof(self._certificate.get)

    async def renewed(self) -> Proof:
        return await self._proof(self._certificate.renewed)

    async def _proof(self, get: Callable[[], Awaitable[Certificate]]) -> Proof:
        try:
            certificate = await get()
            if self._clock() >= certificate.not_after:
                certificate = await self._certificate.renewed()
        except Unavailable as error:
            text = f"The certificate {self._name} of the endpoint cannot be had. {self._why}"
            raise CredentialRefused(text.strip(), error.retry_after) from None
        if self._clock() >= certificate.not_after:
            raise CredentialRefused(
                f"The certificate {self._name} in {self._vault.uri} expired on "
                f"{_shown(certificate.not_after)}. For the endpoint's operator: make a new version "
                "and upload it to the app registration."
            )
        given = {"private_key": certificate.key, "public_certificate": certificate.pem}
        return Proof(certificate.thumbprint, given)

    async def _fetch(self) -> Certificate:
        self._why = ""
        try:
            secret = await _read(self._vault, self._name)
            found = await asyncio.to_thread(certificates.parse, secret.value)
            if self._clock() < found.not_before:
                raise BadCertificate(f"is not valid before {_shown(found.not_before)}")
        except BadCertificate as error:
            self._why = f"The secret {self._name} in {self._vault.uri} {error}."
            raise FetchFailed(self._why) from None
        except FetchFailed as error:
            self._why = str(error)
            raise
        return found


class FederatedToken:
    """A managed identity's token for the cloud's token exchange: no secret at all."""

    def __init__(self, settings: FederatedIdentity, identity: ManagedIdentity) -> None:
        self._wanted = Wanted((f"{settings.audience}/.default",))
        self._identity = identity

    async def current(self) -> Proof:
        return _asserting((await self._identity.own_token(self._wanted)).text)

    async def renewed(self) -> Proof:
        return await self.current()


class AssertionInFile:
    """A token in a file, such as Kubernetes renews for workload identity; read at each use."""

    def __init__(self, settings: SignedAssertion) -> None:
        self._file = Path(settings.file)

    async def current(self) -> Proof:
        try:
            text = await asyncio.to_thread(_signed_token, self._file)
        except (OSError, ValueError) as error:
            _log.warning("no assertion in %s: %s", self._file, type(error).__name__)
            raise CredentialRefused(
                f"The file {self._file}, which speaks for the endpoint's application, cannot be "
                "read, or holds no token. For the endpoint's operator: in Kubernetes, has the pod "
                "the label "
                'azure.workload.identity/use: "true" and its service account?'
            ) from None
        return _asserting(text)

    async def renewed(self) -> Proof:
        return await self.current()


def _signed_token(file: Path) -> str:
    """The JWT in a regular file, whatever its claims. Raises OSError, ValueError.

    Nothing else of this machine's is sent to Entra for a wrong path.
    """
    # A pipe would keep a thread until somebody writes to it.
    if not file.is_file():
        raise ValueError("no regular file")
    with file.open("rb") as opened:
        content = opened.read(_LONGEST_ASSERTION + 1).strip()
    if len(content) > _LONGEST_ASSERTION or _JWT.fullmatch(content) is None:
        raise ValueError("no token")
    return content.decode("ascii")


def _asserting(token: str) -> Proof:
    version = hashlib.sha256(token.encode()).hexdigest()[:16]
    return Proof(version, {"client_assertion": lambda: token})


async def _read(vault: KeyVault, name: str) -> Secret:
    """The newest version of a secret. Raises FetchFailed."""
    try:
        return await vault.get(name)
    except VaultError as error:
        raise FetchFailed(str(error), getattr(error, "retry_after", 0.0)) from None


def _shown(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
