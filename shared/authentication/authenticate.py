"""From the credential on a request to a caller: the order of the checks, in one place."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from shared.authentication.api_keys import KeyRing
from shared.authentication.challenge import Challenge
from shared.authentication.entra import EntraTokens, InvalidToken, NoAppRole, NotAdmitted
from shared.authentication.resource_metadata import ResourceMetadata
from shared.authentication.vault_keys import VaultKeyRing
from shared.caller import ANONYMOUS, Caller
from shared.command_names import squashed
from shared.configuration.model import AuthenticationSettings, KeyVaultKeys
from shared.http import Request
from shared.key_vault import Vaults
from shared.refreshing import Unavailable

# Where people put credentials in a URL by mistake; compared without case and separators.
_QUERY_NAMES = {"apikey", "accesstoken", "key", "token", "code", "xfunctionskey"}
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


@dataclass(eq=False)
class Refused(Exception):
    """A request without a caller who may go on: the HTTP status and what to tell the client.

    400, 401 and 503 know no caller. 403 does: a genuine credential that is good for nothing here.
    `retry_after` is in seconds.
    """

    status: int
    message: str
    challenge: Challenge | None = None
    caller: Caller | None = None
    retry_after: float | None = None


class Authenticator:
    """Recognises callers by the active schemes of the configuration.

    With authentication off (only in development) every request is anonymous. `metadata` is what is
    published for clients that sign in; `app_roles` are the roles an application could be given;
    `vaults` opens those that keys are kept in. To be closed.
    """

    def __init__(
        self,
        settings: AuthenticationSettings,
        realm: str,
        metadata: ResourceMetadata | None = None,
        app_roles: Sequence[str] = (),
        vaults: Vaults | None = None,
    ) -> None:
        self._enabled = settings.enabled
        self._rings = [KeyRing(scheme) for scheme in settings.key_schemes]
        self._vault_rings = {
            scheme.header: _vault_ring(scheme.name, scheme.vault, vaults)
            for scheme in settings.key_schemes
            if scheme.vault is not None and vaults is not None
        }
        self._tokens = EntraTokens(settings.entra) if settings.entra else None
        self._realm = realm
        self._metadata = metadata
        self._app_roles = app_roles
        self._query_names = _QUERY_NAMES | {squashed(ring.header) for ring in self._rings}

    async def authenticate(self, request: Request) -> Caller:
        """The caller of a request; anonymous when it carries no credential at all.

        Raises Refused: 400 for two credentials (RFC 6750 section 3.1), 401 for one that is wrong
        or in the wrong place, 403 for a genuine one of somebody who is not admitted, 503 when it
        cannot be checked now. A bad credential never counts as none, and a bad token is never tried
        as a key. Does not decide whether an anonymous caller may go on, nor what any caller may do.
        """
        if not self._enabled:
            return ANONYMOUS
        presented = [ring for ring in self._rings if ring.header.lower() in request.headers]
        bearer = "authorization" in request.headers
        in_query = self._in_query(request.query)
        if len(presented) + bearer + bool(in_query) > 1:
            places = [f"header {ring.header}" for ring in presented]
            places += ["header Authorization"] * bearer + [f"query {name}" for name in in_query[:1]]
            raise Refused(400, f"Two credentials ({' and '.join(places)}). {self._how()}")
        if in_query:
            raise self.refusal("A credential in the URL is not accepted: URLs end up in logs.")
        if bearer:
            return await self._bearer(request.headers["authorization"])
        if not presented:
            return ANONYMOUS
        ring = presented[0]
        key = request.headers[ring.header.lower()].strip(" \t")
        caller = ring.caller(key) or await self._from_vault(ring.header, key)
        if caller is None:
            raise self.refusal(f"The key in {ring.header} is not valid.")
        return caller

    async def _from_vault(self, header: str, key: str) -> Caller | None:
        ring = self._vault_rings.get(header)
        if ring is None:
            return None
        try:
            return await ring.caller(key)
        except Unavailable as error:
            text = "Keys cannot be checked now: the vault they are kept in is not available."
            raise Refused(503, text, retry_after=error.retry_after) from None

    async def _bearer(self, header: str) -> Caller:
        if self._tokens is None:
            raise self.refusal("This endpoint takes no Authorization header.")
        match = _BEARER.fullmatch(header.strip(" \t"))
        if match is None:
            raise self._invalid("The Authorization header is not of the form Bearer <token>.")
        try:
            return await self._tokens.caller(match[1])
        except InvalidToken as error:
            raise self._invalid(str(error)) from None
        except NoAppRole as error:
            roles = " or ".join(self._app_roles) or "one that the API defines"
            text = f"{error.reason} Assign it the app role {roles}."
            raise Refused(403, text, caller=error.caller) from None
        except NotAdmitted as error:
            raise Refused(403, error.reason, caller=error.caller) from None
        except Unavailable as error:
            text = "Tokens cannot be checked now: the issuer's signing keys are not available."
            raise Refused(503, text, retry_after=error.retry_after) from None

    async def close(self) -> None:
        """End what goes on in the background."""
        for ring in self._vault_rings.values():
            await ring.close()

    async def upstream_metadata(self) -> Mapping[str, Any]:
        """The OpenID metadata of who issues the tokens. Raises Unavailable."""
        return {} if self._tokens is None else await self._tokens.keys.metadata()

    def refusal(self, reason: str = "A credential is needed.") -> Refused:
        """The 401 for a caller who has to present something else."""
        return Refused(401, f"{reason} {self._how()}", self.challenge())

    def _invalid(self, reason: str) -> Refused:
        return Refused(401, reason, self.challenge("invalid_token", reason))

    def challenge(
        self,
        error: str | None = None,
        description: str | None = None,
        scopes: Sequence[str] = (),
        claims: str | None = None,
    ) -> Challenge:
        """How to ask for a credential, with what is wrong with the present one.

        `scopes`, in short form, are what the request needs; without any, what clients should ask
        for at first. `claims` are JSON that the next token has to satisfy.
        """
        if self._metadata is None:
            return Challenge("ApiKey", self._realm, error, description, scopes)
        wanted = self._metadata.qualified(scopes) or self._metadata.scopes
        encoded = base64.b64encode(claims.encode()).decode() if claims else None
        return Challenge("Bearer", None, error, description, wanted, self._metadata.url, encoded)

    def _how(self) -> str:
        ways = ["Authorization: Bearer with an access token"] * (self._tokens is not None)
        if self._rings:
            headers = " or ".join(ring.header for ring in self._rings)
            ways.append(f"an API key in the header {headers}")
        return f"Send {' or '.join(ways)}."

    def _in_query(self, query: str) -> list[str]:
        if not query:
            return []
        names = [name for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=None)]
        return [name[:40] for name in names if squashed(name) in self._query_names]


def _vault_ring(scheme: str, keys: KeyVaultKeys, vaults: Vaults) -> VaultKeyRing:
    return VaultKeyRing(
        scheme,
        vaults.open(keys.uri),
        prefix=keys.prefix,
        refresh_seconds=keys.refresh_seconds,
        grace_seconds=keys.grace_seconds,
    )
