"""The public keys an issuer signs its tokens with, fetched, remembered and renewed.

OpenID Connect Discovery 1.0 section 4 for where they are, RFC 7517 for what they look like.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_log = logging.getLogger("postern.authentication")

MAX_DOCUMENT_BYTES = 256 * 1024
FETCH_SECONDS = 10.0
"""Deadline of fetching one document, however slowly it comes."""
INTERVAL_SECONDS = 60.0
"""Shortest time between two fetches while there are keys, whatever is asked for."""
RETRY_SECONDS = 5.0
"""The same while there are none."""
_SMALLEST_KEY_BITS = 2048


class KeysUnavailable(Exception):
    """There are no keys to check a signature with, and none can be had. Seconds until a retry."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the issuer's signing keys cannot be fetched")
        self.retry_after = retry_after


class _Unusable(Exception):
    """A document that cannot be used; the text is for the log."""


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """One RSA key. `issuer` is the one it is confined to, as Entra writes it into its key sets:
    possibly a template with `{tenantid}`; None where the set does not say."""

    public: "RSAPublicKey"
    issuer: str | None

    def may_sign_for(self, issuers: Collection[str], tenant_id: str) -> bool:
        """Whether tokens of one of these issuers of a tenant may be signed with this key."""
        return self.issuer is None or self.issuer.replace("{tenantid}", tenant_id) in issuers


class SigningKeys:
    """The signing keys below one authority, such as `https://login.microsoftonline.com/<tenant>`.

    Fetched when first needed, by one fetch at a time. Keys older than `refresh` seconds are renewed
    in the background; while that fails they serve until they are `outage` seconds old, and then no
    longer. An unknown key id leads to at most one fetch per INTERVAL_SECONDS, whoever asks how
    often. `issuers` are the issuers the metadata may name besides the authority's own. `clock` is
    monotonic, in seconds.

    Redirects are not followed. Key sets are public: their integrity rests on TLS, so `https` should
    be off for loopback only.
    """

    def __init__(
        self,
        authority: str,
        issuers: Container[str] = (),
        *,
        https: bool = True,
        refresh: float = 3600.0,
        outage: float = 86400.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(authority)
        self._metadata_url = f"{authority}/v2.0/.well-known/openid-configuration"
        self._own_issuers = (
            f"{authority}/v2.0",
            f"{parts.scheme}://{parts.netloc}/{{tenantid}}/v2.0",
        )
        self._issuers = issuers
        self._https = https
        self._refresh = refresh
        self._outage = outage
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}
        self._metadata: Mapping[str, Any] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    def current(self, kid: str) -> SigningKey | None:
        """The key of an id when it is at hand and not too old. Never waits.

        Starts renewing in the background when that is due.
        """
        age = self._clock() - self._fetched_at
        if age > self._outage:
            return None
        if age > self._refresh and self._may_fetch():
            self._start_fetching()
        return self._keys.get(kid)

    async def find(self, kid: str) -> SigningKey | None:
        """The key of an id; waits for a fetch where the id is unknown and one is allowed.

        Raises KeysUnavailable when there are no keys that could be asked.
        """
        key = self.current(kid)
        if key is None:
            await self._renewed()
            key = self._keys.get(kid)
        return key

    async def metadata(self) -> Mapping[str, Any]:
        """The authority's OpenID metadata. Raises KeysUnavailable."""
        if not self._usable():
            await self._renewed()
        return self._metadata

    async def _renewed(self) -> None:
        if self._may_fetch():
            self._start_fetching()
        if self._fetching is not None and self._is_fetching():
            await asyncio.shield(self._fetching)
        if not self._usable():
            raise KeysUnavailable(RETRY_SECONDS)

    def _usable(self) -> bool:
        return self._clock() - self._fetched_at <= self._outage

    def _may_fetch(self) -> bool:
        interval = INTERVAL_SECONDS if self._usable() else RETRY_SECONDS
        return self._clock() - self._tried_at >= interval

    def _is_fetching(self) -> bool:
        task = self._fetching
        return (
            task is not None
            and not task.done()
            # A task of an event loop that has ended would never be done.
            and task.get_loop() is asyncio.get_running_loop()
        )

    def _start_fetching(self) -> None:
        if not self._is_fetching():
            self._tried_at = self._clock()
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())

    async def _fetch(self) -> None:
        """Replace the keys, or keep the ones there are and tell the log why."""
        try:
            metadata = await _document(self._metadata_url)
            issuer = metadata.get("issuer")
            if issuer not in self._own_issuers and issuer not in self._issuers:
                raise _Unusable(f"{self._metadata_url} is of another issuer")
            url = metadata.get("jwks_uri")
            if not isinstance(url, str) or not url.startswith(("https://", "http://")):
                raise _Unusable(f"{self._metadata_url} names no jwks_uri")
            if self._https and not url.startswith("https://"):
                raise _Unusable(f"{self._metadata_url} names a jwks_uri without https")
            keys = _read(await _document(url), self._keys)
            if not keys:
                raise _Unusable(f"{url} holds no usable signing key")
        except _Unusable as error:
            _log.warning("signing keys were not renewed: %s", error)
            return
        except Exception:
            _log.exception("signing keys were not renewed")
            return
        self._keys, self._metadata, self._fetched_at = keys, metadata, self._clock()


def _read(document: Mapping[str, Any], known: Mapping[str, SigningKey]) -> dict[str, SigningKey]:
    """The usable keys of a key set by id. What cannot be used is left out.

    An id that stands for two keys stands for none. A key that was known stays the same object, so
    nothing is parsed twice.
    """
    entries = document.get("keys")
    usable = [e for e in entries if _is_rsa(e)] if isinstance(entries, list) else []
    distinct = {(e["kid"], e["n"], e["e"]): e for e in usable}
    uses = Counter(kid for kid, _, _ in distinct)
    keys = {}
    for entry in distinct.values():
        kid = entry["kid"]
        if uses[kid] > 1:
            _log.warning("signing key %s is there twice with different values; not used", kid[:80])
            continue
        key = _key(entry)
        if key is not None:
            old = known.get(kid)
            same = old is not None and (old.public, old.issuer) == (key.public, key.issuer)
            keys[kid] = old if old is not None and same else key
    return keys


def _is_rsa(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("kty") == "RSA"
        and entry.get("use", "sig") == "sig"
        and all(isinstance(entry.get(name), str) and entry[name] for name in ("kid", "n", "e"))
    )


def _key(entry: Mapping[str, Any]) -> SigningKey | None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt.algorithms import RSAAlgorithm

    try:
        public = RSAAlgorithm.from_jwk({name: entry[name] for name in ("kty", "n", "e")})
    except Exception:
        public = None
    if not isinstance(public, RSAPublicKey) or public.key_size < _SMALLEST_KEY_BITS:
        _log.warning("signing key %s cannot be used", entry["kid"][:80])
        return None
    issuer = entry.get("issuer")
    return SigningKey(public, issuer if isinstance(issuer, str) else None)


async def _document(url: str) -> Mapping[str, Any]:
    """A JSON object from a URL, of bounded size and within a bounded time. Raises _Unusable."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    body = bytearray()
    try:
        async with (
            # Proxies of the environment are for what leaves the machine.
            aiohttp.ClientSession(timeout=timeout, trust_env=url.startswith("https:")) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise _Unusable(f"{url} answered {response.status}")
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise _Unusable(f"{url} is larger than {MAX_DOCUMENT_BYTES:,} bytes")
        value = msgspec.json.decode(body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _Unusable(f"{url}: {type(error).__name__}") from None
    except (ValueError, RecursionError):
        raise _Unusable(f"{url} is not JSON") from None
    if not isinstance(value, dict):
        raise _Unusable(f"{url} is not a JSON object")
    return value
