"""The public keys an issuer signs its tokens with, fetched, remembered and renewed.

OpenID Connect Discovery 1.0 section 4 for where they are, RFC 7517 for what they look like.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from shared.refreshing import FetchFailed, Refreshed

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
_WHAT_COUNTS = ("kid", "n", "e", "issuer", "alg")


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """One RSA key. `issuer` is the one it is confined to, as Entra writes it into its key sets:
    possibly a template with `{tenantid}`; `algorithm` the one it is for (RFC 8725 section 3.1).
    None where the set does not say."""

    public: "RSAPublicKey"
    issuer: str | None = None
    algorithm: str | None = None

    def may_sign_for(self, tenant_id: str, issuers: Container[str]) -> bool:
        """Whether tokens of a tenant, which has these issuers, may be signed with this key."""
        return self.issuer is None or self.issuer.replace("{tenantid}", tenant_id) in issuers


@dataclass(frozen=True, slots=True)
class _KeySet:
    """What an issuer publishes: its OpenID metadata, and its usable keys by id."""

    metadata: Mapping[str, Any]
    keys: Mapping[str, SigningKey]


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
        self._known: Mapping[str, SigningKey] = {}
        self._published = Refreshed(
            f"the signing keys of {authority}",
            self._fetch,
            refresh=refresh,
            outage=outage,
            interval=INTERVAL_SECONDS,
            retry=RETRY_SECONDS,
            clock=clock,
        )

    def current(self, kid: str) -> SigningKey | None:
        """The key of an id when it is at hand and not too old. Never waits.

        Starts renewing in the background when that is due.
        """
        published = self._published.current()
        return None if published is None else published.keys.get(kid)

    async def find(self, kid: str) -> SigningKey | None:
        """The key of an id; waits for a fetch where the id is unknown and one is allowed.

        Raises Unavailable when there are no keys that could be asked.
        """
        key = self.current(kid)
        return (await self._published.renewed()).keys.get(kid) if key is None else key

    async def metadata(self) -> Mapping[str, Any]:
        """The authority's OpenID metadata. Raises Unavailable."""
        return (await self._published.get()).metadata

    async def _fetch(self) -> _KeySet:
        metadata = await _document(self._metadata_url)
        issuer = metadata.get("issuer")
        if not isinstance(issuer, str) or not (
            issuer in self._own_issuers or issuer in self._issuers
        ):
            raise FetchFailed(f"{self._metadata_url} is of another issuer")
        url = metadata.get("jwks_uri")
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise FetchFailed(f"{self._metadata_url} names no jwks_uri")
        if self._https and not url.startswith("https://"):
            raise FetchFailed(f"{self._metadata_url} names a jwks_uri without https")
        keys = _read(await _document(url), self._known)
        if not keys:
            raise FetchFailed(f"{url} holds no usable signing key")
        self._known = keys
        return _KeySet(metadata, keys)


def _read(document: Mapping[str, Any], known: Mapping[str, SigningKey]) -> dict[str, SigningKey]:
    """The usable keys of a key set by id. What cannot be used is left out.

    An id that stands for two keys stands for none. A key that was known stays the same object, so
    nothing is parsed twice.
    """
    entries = document.get("keys")
    usable = [e for e in entries if _is_rsa(e)] if isinstance(entries, list) else []
    distinct = {tuple(e.get(name) for name in _WHAT_COUNTS): e for e in usable}
    uses = Counter(entry["kid"] for entry in distinct.values())
    keys = {}
    for entry in distinct.values():
        kid = entry["kid"]
        if uses[kid] > 1:
            _log.warning("signing key %s is there twice with different values; not used", kid[:80])
            continue
        key = _key(entry)
        if key is not None:
            old = known.get(kid)
            keys[kid] = old if old is not None and _same(old, key) else key
    return keys


def _same(one: SigningKey, other: SigningKey) -> bool:
    return (one.public, one.issuer, one.algorithm) == (other.public, other.issuer, other.algorithm)


def _is_rsa(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("kty") == "RSA"
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", "RS256") in ("RS256", "PS256")
        # Were it ignored, a key confined in a way we cannot read would be confined to nothing.
        and isinstance(entry.get("issuer", ""), str)
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
    return SigningKey(public, entry.get("issuer"), entry.get("alg"))


async def _document(url: str) -> Mapping[str, Any]:
    """A JSON object from a URL, of bounded size and within a bounded time. Raises FetchFailed."""
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
                raise FetchFailed(f"{url} answered {response.status}")
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise FetchFailed(f"{url} is larger than {MAX_DOCUMENT_BYTES:,} bytes")
        value = msgspec.json.decode(body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise FetchFailed(f"{url}: {type(error).__name__}") from None
    except (ValueError, RecursionError):
        raise FetchFailed(f"{url} is not JSON") from None
    if not isinstance(value, dict):
        raise FetchFailed(f"{url} is not a JSON object")
    return value
