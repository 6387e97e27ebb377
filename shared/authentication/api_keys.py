"""API keys: a header's value becomes the caller the key was made for."""

import hashlib
import hmac

from shared.caller import Caller
from shared.configuration.model import ApiKeyScheme


class KeyRing:
    """The keys of one scheme, held as SHA-256 digests.

    A key is found by comparing its digest with every stored one in constant time, so that timing
    tells neither how much of a key was right nor which key it was. High-entropy keys need no slow
    hash: there is no dictionary to try.
    """

    def __init__(self, scheme: ApiKeyScheme) -> None:
        self.header = scheme.header
        self._callers = [
            (
                key.digest,
                Caller("key", scheme.name, key.id, scopes=key.scopes, roles=key.roles),
            )
            for key in scheme.keys
        ]

    def caller(self, presented: str) -> Caller | None:
        """Whose key this is, or None.

        Checks nothing but that the key is one of the ring: not what it may do, nor how often.
        """
        digest = hashlib.sha256(presented.encode(errors="surrogatepass")).digest()
        found = None
        for stored, caller in self._callers:
            if hmac.compare_digest(stored, digest):
                found = caller
        return found
