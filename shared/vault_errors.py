"""What can go wrong with a vault, in words that say what to do. Nothing here holds a value."""

from collections.abc import Mapping
from typing import Any

READER_ROLE = "Key Vault Secrets User"
WRITER_ROLE = "Key Vault Secrets Officer"

_LONGEST_PAUSE = 3600.0


class VaultError(Exception):
    """A call to a vault failed; the text says why and what to do."""


class SecretMissing(VaultError):
    """There is no such secret, or no such version."""

    def __init__(self, name: str, uri: str) -> None:
        super().__init__(f"There is no secret {name} in {uri}.")


class SecretDisabled(VaultError):
    """The version asked for is disabled, so that its value cannot be read."""


class NameTaken(VaultError):
    """A deleted secret still has this name."""


class AccessDenied(VaultError):
    """The vault knows the caller and refuses (403)."""


class VaultUnavailable(VaultError):
    """No usable answer. `retry_after` is in seconds, 0 where the vault did not say."""

    def __init__(self, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class SignInFailed(VaultUnavailable):
    """There was no token, or the vault does not take it."""


class Throttled(VaultUnavailable):
    """Too many calls (429): none before `retry_after`."""


def failure_of(error: Exception, uri: str, name: str, *, writes: bool) -> VaultError:
    """What an error of the Azure libraries means, in a call about `name` to the vault at `uri`."""
    from azure.core.exceptions import (
        ClientAuthenticationError,
        DecodeError,
        HttpResponseError,
        IncompleteReadError,
    )

    response: Any = error.response if isinstance(error, HttpResponseError) else None
    asked = str(response.request.url) if response is not None else ""
    if isinstance(error, ClientAuthenticationError) and not asked.startswith(f"{uri}/"):
        reason = str(error.message).partition("\n")[0][:300]
        # What follows is the answer of an identity endpoint.
        answered = "Unexpected response"
        reason = answered if reason.startswith(answered) else reason
        return SignInFailed(f"No token for {uri}: {reason}")
    incomplete = isinstance(error, IncompleteReadError)
    if isinstance(error, DecodeError | ValueError) and not incomplete:
        return VaultUnavailable(f"What answers at {uri} is no key vault.")
    if response is None or incomplete:
        return VaultUnavailable(f"{uri} cannot be reached: {_reason(error)}")
    match response.status_code:
        case 401:
            return SignInFailed(f"{uri} does not take the token: is it in another tenant?")
        case 403:
            return _refused(_inner_code(error), uri, name, writes=writes)
        case 404:
            return SecretMissing(name, uri)
        case 409:
            return NameTaken(
                f"A deleted secret {name} is still in {uri}: recover it, purge it, or take "
                "another name."
            )
        case 429:
            return Throttled(f"{uri} is throttling", _pause(response.headers) or 10.0)
        case 400:
            return VaultError(f"{uri} does not understand the request about {name or 'secrets'}.")
        case status:
            return VaultUnavailable(f"{uri} answers {status}", _pause(response.headers))


def _refused(code: str, uri: str, name: str, *, writes: bool) -> VaultError:
    if code == "SecretDisabled":
        return SecretDisabled(f"{name} in {uri} is disabled.")
    if code in ("ForbiddenByFirewall", "ForbiddenByConnection"):
        return AccessDenied(f"The network rules of {uri} do not let this machine in.")
    role = WRITER_ROLE if writes else READER_ROLE
    return AccessDenied(f'{uri} refuses: grant this identity the role "{role}" on the vault.')


def _inner_code(error: Exception) -> str:
    told = getattr(getattr(error, "error", None), "innererror", None)
    return str(told.get("code", "")) if isinstance(told, Mapping) else ""


def _reason(error: Exception) -> str:
    """Why there was no answer, in a few words that hold nothing of one."""
    from aiohttp import ClientConnectorDNSError

    cause = getattr(error, "inner_exception", None) or error
    if isinstance(cause, ClientConnectorDNSError):
        return "there is no such host; is the vault's name right?"
    if isinstance(cause, TimeoutError):
        return "it took too long"
    return type(cause).__name__


def _pause(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return min(float(text), _LONGEST_PAUSE) if text.isascii() and text.isdecimal() else 0.0
