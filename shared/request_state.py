"""State that a client carries between the rounds of a call, sealed so that only we can read it.

Authenticated encryption (AES-256-GCM, NIST SP 800-38D) with a random nonce. What is sealed is bound
to the caller, the method, what it names, its arguments and the time. It is not single-use: within
its five minutes it can be presented again, by the same caller for the same call.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

LIFETIME_SECONDS = 300
KEY_BYTES = 32

_VERSION = "v1"
_NONCE_BYTES = 12


class BadState(Exception):
    """The state is not ours, not for this call, or too old. Which of them stays unsaid."""


class Binding(msgspec.Struct, frozen=True):
    """What a state belongs to. `arguments` is a digest."""

    principal: str
    method: str
    name: str
    arguments: str


def binding(principal: str, method: str, name: str, arguments: Mapping[str, Any]) -> Binding:
    """The binding of one call."""
    canonical = msgspec.json.encode(arguments, order="deterministic")
    return Binding(principal, method, name, hashlib.sha256(canonical).hexdigest())


class _State(msgspec.Struct, frozen=True):
    bound: Binding
    until: float
    answers: dict[str, Any]
    asked: dict[str, str]


class Sealer:
    """Seals with the first key and opens with any, so that keys can be rotated.

    `keys` are pairs of a key id and 32 bytes, the same on all instances. `now` is the clock, in
    seconds since the epoch.
    """

    def __init__(
        self, keys: Sequence[tuple[str, bytes]], now: Callable[[], float] = time.time
    ) -> None:
        self._keys = dict(keys)
        self._first = keys[0][0]
        self._now = now

    def seal(self, bound: Binding, answers: Mapping[str, Any], asked: Mapping[str, str]) -> str:
        """A state that holds the answers so far and, by name, a digest of all that was asked."""
        state = _State(bound, self._now() + LIFETIME_SECONDS, dict(answers), dict(asked))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        header = f"{_VERSION}.{self._first}"
        sealed = self._cipher(self._first).encrypt(
            nonce, msgspec.json.encode(state), header.encode()
        )
        return f"{header}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, text: str, bound: Binding) -> tuple[dict[str, Any], dict[str, str]]:
        """The answers and the questions of a state. Raises BadState.

        Checks that this endpoint sealed it, for this call of this caller, within its lifetime. Does
        not check that it was not presented before.
        """
        from cryptography.exceptions import InvalidTag

        version, _, rest = text.partition(".")
        key_id, _, body = rest.partition(".")
        if version != _VERSION or key_id not in self._keys:
            raise BadState
        try:
            data = base64.b64decode(body, altchars=b"-_", validate=True)
            nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            plain = self._cipher(key_id).decrypt(nonce, sealed, f"{version}.{key_id}".encode())
            state = msgspec.json.decode(plain, type=_State)
        except (ValueError, InvalidTag):
            raise BadState from None
        if state.bound != bound or state.until < self._now():
            raise BadState
        return state.answers, state.asked

    def _cipher(self, key_id: str) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._keys[key_id])


def read_key(text: str) -> tuple[str, bytes]:
    """A key as configured: `<id>:<32 bytes in base64url>`. Raises ValueError."""
    key_id, _, encoded = text.partition(":")
    if not key_id.isalnum() or not key_id.isascii() or len(key_id) > 32:
        raise ValueError("the key id")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise ValueError("the base64url text") from None
    if len(key) != KEY_BYTES:
        raise ValueError("the length")
    return key_id, key


def random_key() -> tuple[str, bytes]:
    """A key for one process: good where one process answers all."""
    return "process", secrets.token_bytes(KEY_BYTES)
