"""Signed assertions: tokens that somebody presents to be given another one."""

from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from development.errors import refusal
from development.tokens import Mint

_SKEW = 300
_OWN_CHECKS = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
}


def verified(token: str, mint: Mint, audiences: Mapping[str, str]) -> dict[str, Any]:
    """The claims of a token of this identity, for one of `audiences`, that is still good.

    Raises Refused: 50027 for no token, 50013 for a signature or issuer that is not ours, 500131
    for another audience, 500133 outside its time. Does not check whose token it is.
    """
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise refusal(50027) from None
    key = mint.keys.public_key(header.get("kid"))
    if key is None:
        raise refusal(50013)
    claims = signed_with(key, token, ("RS256",), 50013)
    if claims.get("iss") not in mint.issuers.values():
        raise refusal(50013)
    if claims.get("aud") not in audiences:
        expected = next(iter(audiences), "")
        raise refusal(500131, str(claims.get("aud")), expected, audiences.get(expected, ""))
    check_times(claims, mint.now(), 500133)
    return claims


def signed_with(
    key: rsa.RSAPublicKey, token: str, algorithms: Sequence[str], code: int
) -> dict[str, Any]:
    """The claims of a token with that key's signature. Checks no claim. Raises Refused(`code`)."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(algorithms),
            options=_OWN_CHECKS,  # type: ignore[arg-type]
        )
    except jwt.PyJWTError:
        raise refusal(code) from None
    return claims


def check_times(claims: Mapping[str, Any], now: float, code: int) -> None:
    """Raise Refused(`code`) unless now is between `nbf` and `exp`, give or take five minutes."""
    start, end = claims.get("nbf", 0), claims.get("exp")
    if not isinstance(start, int | float) or not isinstance(end, int | float):
        raise refusal(code)
    if not start - _SKEW <= now < end + _SKEW:
        raise refusal(code)
