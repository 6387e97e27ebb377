"""Whatever is presented, the answer is a caller or a refusal, and never anything else."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from shared.authentication.authenticate import Authenticator, Refused
from shared.authentication.entra import EntraTokens, InvalidToken, NotAdmitted
from shared.caller import Caller
from shared.configuration.model import AuthenticationSettings, Cors, Requirement
from shared.http import Request
from tests.authentication.issuer import (
    API,
    APP_ID_URI,
    CLIENT,
    NOW,
    OTHER_TENANT,
    TENANT,
    USER,
    Clock,
    Issuer,
    issuing,
    token,
)

FEW = settings(max_examples=150, deadline=None, derandomize=True)


class Known:
    """A validator that has its keys, of an issuer that is gone, and an authenticator with it."""

    def __init__(self, issuer: Issuer) -> None:
        scheme = issuer.scheme()
        self.user, self.application = issuer.user(), issuer.application()
        self.issuers = [issuer.v1, issuer.v2]
        self.tokens = EntraTokens(scheme, issuer.signing_keys(Clock()), clock=Clock())
        settings = AuthenticationSettings(True, (), Requirement(), "reachable", Cors(), scheme)
        self._authenticator = Authenticator(settings, "postern")
        self._authenticator._tokens = self.tokens

    def caller(self, presented: str) -> Caller:
        return asyncio.run(self.tokens.caller(presented))

    def authenticate(self, header: str) -> Caller:
        request = Request("POST", "/mcp", {"authorization": header})
        return asyncio.run(self._authenticator.authenticate(request))


@pytest.fixture(scope="module")
def known() -> Known:
    async def make() -> Known:
        async with issuing() as issuer:
            known = Known(issuer)
            await known.tokens.caller(token(known.user))
            return known

    return asyncio.run(make())


TOKENISH = st.text("abAB01-_.=+/ ", max_size=40)
PARTS = st.lists(st.binary(max_size=30).map(lambda b: b.hex()), min_size=1, max_size=5)
CREDENTIALS = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60).map(lambda data: data.decode("latin-1")),
    st.binary(max_size=60).map(lambda data: data.decode("utf-8", "surrogateescape")),
    TOKENISH,
    PARTS.map(".".join),
)


@FEW
@given(
    scheme=st.sampled_from(["Bearer ", "bearer\t", "BEARER  ", "Bearer", "Basic ", ""]),
    text=CREDENTIALS,
)
@example(scheme="Bearer ", text="\ud800")
@example(scheme="", text="")
@example(scheme="Bearer ", text="a.b.c" * 100_000)
def test_whatever_the_authorization_header_holds_the_answer_is_401(
    known: Known, scheme: str, text: str
) -> None:
    with pytest.raises(Refused) as caught:
        known.authenticate(scheme + text)
    assert caught.value.status == 401
    assert caught.value.challenge is not None
    assert str(caught.value.challenge).isascii()
    assert str(caught.value.challenge).isprintable()


@FEW
@given(st.data())
def test_any_single_change_makes_a_token_nobodys(known: Known, data: st.DataObject) -> None:
    genuine = token(known.user)
    at = data.draw(st.integers(0, len(genuine) - 1))
    letter = data.draw(st.sampled_from("ABCXYZabcxyz019-_.=+/ é\0"))
    how = data.draw(st.sampled_from(["replace", "insert", "remove", "swap"]))
    changed = {
        "replace": genuine[:at] + letter + genuine[at + 1 :],
        "insert": genuine[:at] + letter + genuine[at:],
        "remove": genuine[:at] + genuine[at + 1 :],
        "swap": genuine[:at] + genuine[at : at + 2][::-1] + genuine[at + 2 :],
    }[how]
    assume(changed != genuine)
    with pytest.raises(InvalidToken):
        known.caller(changed)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([TENANT, OTHER_TENANT, API, CLIENT, USER, APP_ID_URI, "", " ", "\ud800"])
    | st.integers(NOW - 10_000, NOW + 10_000),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = [
    "iss", "tid", "aud", "azp", "appid", "exp", "nbf", "iat", "oid", "sub", "scp", "roles",
    "idtyp", "name", "upn", "groups", "hasgroups", "_claim_names", "nonce", "ver",
]  # fmt: skip


@FEW
@given(
    kind=st.sampled_from(["user", "application"]),
    changes=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
    left_out=st.sets(st.sampled_from(NAMES), max_size=2),
)
def test_whatever_the_issuer_signs_is_a_caller_or_a_refusal(
    known: Known, kind: str, changes: dict[str, Any], left_out: set[str]
) -> None:
    claims = {**(known.user if kind == "user" else known.application), **changes}
    claims = {name: value for name, value in claims.items() if name not in left_out}
    try:
        caller = known.caller(token(claims))
    except (InvalidToken, NotAdmitted):
        return
    # What is taken fits what everything behind this check relies on.
    assert (claims["tid"].lower(), claims["iss"] in known.issuers) == (TENANT, True)
    assert caller.kind in ("user", "application")
    assert bool(caller.scopes) is (caller.kind == "user")
    assert caller.expires_at is not None
    assert caller.expires_at > NOW - 61
    shown = [caller.principal, caller.name or "", *caller.scopes, *caller.roles]
    json.dumps(shown, ensure_ascii=False).encode()


@FEW
@given(claims=VALUES | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), VALUES))
def test_whatever_else_the_issuer_signs_is_refused(known: Known, claims: Any) -> None:
    with pytest.raises((InvalidToken, NotAdmitted)):
        known.caller(token(claims))


@FEW
@given(
    header=VALUES | st.dictionaries(st.sampled_from(["alg", "kid", "typ", "nonce", "jwk"]), VALUES)
)
def test_whatever_a_header_says_is_a_refusal(known: Known, header: Any) -> None:
    raw = json.dumps(header).encode()
    with pytest.raises(InvalidToken):
        known.caller(token(known.user, header=raw))


@FEW
@given(payload=st.binary(max_size=80))
def test_whatever_bytes_are_signed_are_a_refusal(known: Known, payload: bytes) -> None:
    with pytest.raises(InvalidToken):
        known.caller(token(payload))
