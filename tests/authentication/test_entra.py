"""Access tokens of Entra ID: whose they are, and every reason not to take one."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.authentication import entra
from shared.authentication.entra import (
    EntraTokens,
    InvalidToken,
    NoAppRole,
    NotAdmitted,
    claims_of,
)
from shared.caller import Caller
from shared.refreshing import Unavailable
from tests.authentication.issuer import (
    API,
    APP_ID_URI,
    APPLICATION,
    CLIENT,
    NOW,
    OTHER_CLIENT,
    OTHER_TENANT,
    TENANT,
    USER,
    Claims,
    Clock,
    Issuer,
    base64url,
    jwk,
    part,
    rsa_key,
    saying,
    token,
)

MISSING = object()
GRAPH = "00000003-0000-0000-c000-000000000000"
VERSIONS = pytest.mark.parametrize("version", [1, 2], ids=["v1", "v2"])


def validator(issuer: Issuer, clock: Clock | None = None, /, **changes: Any) -> EntraTokens:
    scheme = issuer.scheme(**changes)
    return EntraTokens(scheme, issuer.signing_keys(Clock()), clock=clock or Clock())


async def reason(issuer: Issuer, presented: str, **changes: Any) -> str:
    """Why a token is taken for nobody's."""
    with pytest.raises(InvalidToken) as caught:
        await validator(issuer, **changes).caller(presented)
    return str(caught.value)


def changed(claims: Claims, name: str, value: Any) -> Claims:
    rest = {key: known for key, known in claims.items() if key != name}
    return rest if value is MISSING else {**rest, name: value}


# Who is recognised


@VERSIONS
async def test_a_user_is_recognised(issuer: Issuer, version: int) -> None:
    presented = token(issuer.user(version, roles=["ops"]))
    caller = await validator(issuer).caller(presented)
    assert caller == Caller(
        "user",
        "Bearer",
        tenant_id=TENANT,
        object_id=USER,
        client_id=CLIENT,
        name="Ada Lovelace",
        scopes=frozenset({"tools.read", "tools.write"}),
        roles=frozenset({"ops"}),
        expires_at=NOW + 3600,
    )
    assert caller.principal == f"{TENANT}/{USER}"


@VERSIONS
@pytest.mark.parametrize("idtyp", [MISSING, "app"], ids=["undeclared", "declared"])
async def test_an_application_is_recognised(issuer: Issuer, version: int, idtyp: Any) -> None:
    claims = changed(issuer.application(version), "idtyp", idtyp)
    caller = await validator(issuer).caller(token(claims))
    assert (caller.kind, caller.principal) == ("application", f"{TENANT}/{APPLICATION}")
    assert not caller.scopes
    assert caller.roles == {"tools.read"}


async def test_a_declared_application_may_have_another_subject(issuer: Issuer) -> None:
    claims = issuer.application(idtyp="app", sub="other")
    assert (await validator(issuer).caller(token(claims))).kind == "application"


async def test_a_declared_user_is_one(issuer: Issuer) -> None:
    assert (await validator(issuer).caller(token(issuer.user(idtyp="user")))).kind == "user"


async def test_the_caller_holds_the_presented_token_and_does_not_show_it(issuer: Issuer) -> None:
    presented = token(issuer.user())
    caller = await validator(issuer).caller(presented)
    assert caller.assertion == presented
    assert presented.rpartition(".")[2] not in f"{caller!r} {caller}"


@pytest.mark.parametrize(
    ("names", "name_claim", "shown"),
    [
        ({"name": "Ada", "preferred_username": "ada@x"}, None, "Ada"),
        ({"preferred_username": "ada@x"}, None, "ada@x"),
        ({"upn": "ada@y"}, None, "ada@y"),
        ({"app_displayname": "Robot"}, None, "Robot"),
        ({}, None, None),
        ({"name": ""}, None, None),
        ({"name": 5, "upn": "ada@y"}, None, "ada@y"),
        ({"name": ["Ada"]}, None, None),
        ({"name": "\ud800"}, None, None),
        ({"name": "A" * 1000}, None, "A" * 256),
        ({"name": "Ada", "upn": "ada@y"}, "upn", "ada@y"),
        ({"name": "Ada"}, "upn", None),
    ],
)
async def test_a_caller_is_called_by_what_its_token_says(
    issuer: Issuer, names: Claims, name_claim: str | None, shown: str | None
) -> None:
    claims = issuer.user()
    del claims["name"], claims["preferred_username"]
    caller = await validator(issuer, name_claim=name_claim).caller(token(claims | names))
    assert caller.name == shown


# The form of a token


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(".", id="a-dot"),
        pytest.param("..", id="empty-parts"),
        pytest.param("a.b", id="two-parts"),
        pytest.param("a.b.c.d", id="four-parts"),
        pytest.param("a.b.c.d.e", id="encrypted"),
        pytest.param("a..c", id="an-empty-payload"),
        pytest.param("a.b.", id="an-empty-signature"),
        pytest.param("opaque-token-of-another-kind", id="opaque"),
        pytest.param("a=.b=.c=", id="padding"),
        pytest.param("a+.b/.c+", id="plain-base64"),
        pytest.param("é.é.é", id="not-ascii"),
        pytest.param("\udcff.\udcff.\udcff", id="no-text"),
        pytest.param("\uff41.\uff42.\uff43", id="wide-letters"),
        pytest.param("a.b.c\n", id="a-line-break"),
        pytest.param("a .b.c", id="a-space"),
        pytest.param("a.b\0.c", id="a-null"),
        pytest.param("x" * 1_000_000, id="a-megabyte"),
        pytest.param("a.b." + "c" * 1_000_000, id="a-megabyte-of-signature"),
        pytest.param("a" * 1_000_000 + ".b.c", id="a-megabyte-of-header"),
    ],
)
async def test_what_is_no_signed_token_is_refused_without_asking_for_keys(
    issuer: Issuer, text: str
) -> None:
    told = await reason(issuer, text)
    assert told in ("The token is not a signed JSON Web Token.", "The token is too long.")
    assert issuer.requests == []


@pytest.mark.parametrize(("excess", "taken"), [(0, True), (1, False)])
async def test_a_token_may_be_so_long_and_no_longer(
    issuer: Issuer, excess: int, taken: bool
) -> None:
    room = entra.MAX_TOKEN_CHARACTERS - len(token(issuer.user(filler="")))
    padding = room * 3 // 4
    while len(presented := token(issuer.user(filler="x" * padding))) < entra.MAX_TOKEN_CHARACTERS:
        padding += 1
    presented = presented if taken else token(issuer.user(filler="x" * (padding + 1)))
    assert (len(presented) > entra.MAX_TOKEN_CHARACTERS) is not taken
    if taken:
        await validator(issuer).caller(presented)
    else:
        assert await reason(issuer, presented) == "The token is too long."


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 100, 341])
async def test_a_truncated_token_is_refused(issuer: Issuer, cut: int) -> None:
    assert "signature is not right" in await reason(issuer, token(issuer.user())[:-cut])


async def test_a_token_can_be_written_in_one_way_only(issuer: Issuer) -> None:
    presented = token(issuer.user())
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(presented[-1])
    # The last letter of 256 bytes carries two bits; the four others mean nothing.
    twin = presented[:-1] + letters[last ^ 1]
    parts = [text.rpartition(".")[2] + "==" for text in (presented, twin)]
    assert base64.urlsafe_b64decode(parts[0]) == base64.urlsafe_b64decode(parts[1])
    assert "signature is not right" in await reason(issuer, twin)


# The header


@pytest.mark.parametrize(
    "alg",
    [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "ES256",
        "EdDSA",
        "rs256",
        "RS256 ",
        "RS256\0",
        "RSA-OAEP",
    ],
)
async def test_another_algorithm_than_the_chosen_one_is_refused(issuer: Issuer, alg: str) -> None:
    for presented in (
        token(issuer.user(), header={"alg": alg}),
        token(issuer.user(), header={"alg": alg}).rpartition(".")[0] + ".",
        token(issuer.user(), header={"alg": alg}).rpartition(".")[0] + ".AA",
    ):
        assert await reason(issuer, presented) in (
            "The token is not signed with an accepted algorithm.",
            "The token is not a signed JSON Web Token.",
        )
    assert issuer.requests == []


@pytest.mark.parametrize("alg", [None, 256, True, ["RS256"], {"alg": "RS256"}, MISSING])
async def test_an_algorithm_that_is_no_text_is_refused(issuer: Issuer, alg: Any) -> None:
    omit, header = ("alg", {}) if alg is MISSING else ("", {"alg": alg})
    presented = token(issuer.user(), header=header, omit=omit)
    assert "accepted algorithm" in await reason(issuer, presented)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_the_public_key_is_no_secret_to_sign_with(issuer: Issuer, alg: str) -> None:
    public = rsa_key("one").public_key()
    formats = serialization.PublicFormat
    encodings = serialization.Encoding
    secrets = [
        public.public_bytes(encoding, shape)
        for encoding in (encodings.PEM, encodings.DER)
        for shape in (formats.SubjectPublicKeyInfo, formats.PKCS1)
    ]
    secrets += [secret.strip() for secret in secrets]
    secrets += [json.dumps(jwk("one")).encode(), jwk("one")["n"].encode(), b"secret"]
    for secret in secrets:
        forged = token(issuer.user(), alg=alg, key=secret)
        assert "accepted algorithm" in await reason(issuer, forged)
        lying = token(issuer.user(), alg=alg, key=secret, header={"alg": "RS256"})
        assert "signature is not right" in await reason(issuer, lying)


async def test_an_elliptic_signature_is_no_rsa_signature(issuer: Issuer) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert "algorithm" in await reason(issuer, token(issuer.user(), alg="ES256", key=key))
    lying = token(issuer.user(), alg="ES256", key=key, header={"alg": "RS256"})
    assert "signature is not right" in await reason(issuer, lying)


async def test_ps256_is_taken_where_it_is_configured_and_only_as_such(issuer: Issuer) -> None:
    both = {"algorithms": ("RS256", "PS256")}
    pss, pkcs = token(issuer.user(), alg="PS256"), token(issuer.user())
    assert (await validator(issuer, **both).caller(pss)).kind == "user"
    assert (await validator(issuer, **both).caller(pkcs)).kind == "user"
    assert "accepted algorithm" in await reason(issuer, pkcs, algorithms=("PS256",))
    lying = token(issuer.user(), alg="PS256", header={"alg": "RS256"})
    assert "signature is not right" in await reason(issuer, lying, **both)


async def test_a_key_for_one_algorithm_is_not_used_for_another(issuer: Issuer) -> None:
    issuer.keys = [jwk("one", alg="RS256"), jwk("two", alg="PS256")]
    both = {"algorithms": ("RS256", "PS256")}
    for kid, right, wrong in (("one", "RS256", "PS256"), ("two", "PS256", "RS256")):
        await validator(issuer, **both).caller(token(issuer.user(), kid=kid, alg=right))
        told = await reason(issuer, token(issuer.user(), kid=kid, alg=wrong), **both)
        assert "key for another algorithm" in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jwk", jwk("own")),
        ("jku", "https://evil.example/keys"),
        ("x5u", "https://evil.example/certificate"),
        ("x5c", ["MIIB"]),
        ("crit", ["exp"]),
        ("jwk", None),
        ("crit", []),
    ],
)
async def test_a_token_that_brings_its_key_is_refused_and_nothing_is_fetched(
    issuer: Issuer, name: str, value: Any
) -> None:
    forged = token(issuer.user(), key=rsa_key("own"), header={name: value})
    assert await reason(issuer, forged) == "The token brings a key of its own."
    genuine = token(issuer.user(), header={name: value})
    assert await reason(issuer, genuine) == "The token brings a key of its own."
    assert issuer.requests == []


@pytest.mark.parametrize("kid", [MISSING, None, "", 5, True, ["one"], {"kid": "one"}])
async def test_a_token_names_its_key(issuer: Issuer, kid: Any) -> None:
    given = {"omit": "kid"} if kid is MISSING else {"header": {"kid": kid}}
    assert "does not name its signing key" in await reason(issuer, token(issuer.user(), **given))


@pytest.mark.parametrize(
    "kid",
    [
        "unknown",
        "ONE",
        "one ",
        "one\0",
        "../../../etc/passwd",
        "/dev/null",
        "https://evil.example/key",
        "' OR 1=1 --",
        "\ud800",
        "öne",
        "k" * 8000,
    ],
)
async def test_a_key_id_is_looked_up_and_means_nothing_else(issuer: Issuer, kid: str) -> None:
    told = await reason(issuer, token(issuer.user(), header={"kid": kid}))
    assert "a key this issuer does not publish" in told
    assert "right tenant and cloud" in told
    assert issuer.requests == ["metadata", "keys"]


async def test_the_thumbprint_is_no_key_id(issuer: Issuer) -> None:
    presented = token(issuer.user(), header={"x5t": "one"}, omit="kid")
    assert "does not name its signing key" in await reason(issuer, presented)


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", MISSING])
async def test_the_type_of_an_access_token(issuer: Issuer, typ: Any) -> None:
    given = {"omit": "typ"} if typ is MISSING else {"header": {"typ": typ}}
    assert (await validator(issuer).caller(token(issuer.user(), **given))).kind == "user"


@pytest.mark.parametrize(
    "typ",
    ["", "JWE", "dpop+jwt", "oauth-id-jag+jwt", "secevent+jwt", "JWT ", None, 5, ["JWT"], {}],
)
async def test_a_token_of_another_type_is_refused(issuer: Issuer, typ: Any) -> None:
    told = await reason(issuer, token(issuer.user(), header={"typ": typ}))
    assert "of another type" in told


# Parts that cannot be read

UNREADABLE: list[Any] = [
    pytest.param(b"", id="empty-object-missing"),
    pytest.param(b"{", id="half-an-object"),
    pytest.param(b"\xff\xfe", id="no-text"),
    pytest.param(b"\xed\xa0\x80", id="half-a-character"),
    pytest.param(b"\xef\xbb\xbf{}", id="a-byte-order-mark"),
    pytest.param(b"{}{}", id="two-objects"),
    pytest.param(b"null", id="null"),
    pytest.param(b"5", id="a-number"),
    pytest.param(b'"text"', id="a-text"),
    pytest.param(b"[]", id="a-list"),
    pytest.param(b"[" * 6000, id="too-deep"),
    pytest.param(b'{"a":' * 1200, id="objects-too-deep"),
    pytest.param(b'{"a": NaN}', id="NaN"),
    pytest.param(b'{"a": [{"b": Infinity}]}', id="Infinity"),
    pytest.param(b'{"a": -Infinity}', id="minus-Infinity"),
    pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="a-huge-number"),
    pytest.param(b"{'a': 1}", id="single-quotes"),
    pytest.param(b'{"a": 1,}', id="a-trailing-comma"),
    pytest.param(b'{"a": 1, "a": 1}', id="a-name-twice"),
    pytest.param(b'{"a": 1, "\\u0061": 2}', id="a-name-twice-escaped"),
    pytest.param(b'{"x": {"y": [{"a": 1, "a": 2}]}}', id="a-name-twice-deep-down"),
]


def inserted(whole: Mapping[str, Any], raw: bytes) -> bytes:
    """The members of `raw` put before those of an object, when it has any."""
    body = raw.strip()
    if body.startswith(b"{") and body.endswith(b"}") and len(body) > 2 and body != b"{}{}":
        return body[:-1] + b", " + json.dumps(whole).encode()[1:]
    return raw


@pytest.mark.parametrize("raw", UNREADABLE)
async def test_a_header_that_cannot_be_read_is_refused(issuer: Issuer, raw: bytes) -> None:
    header = inserted({"typ": "JWT", "alg": "RS256", "kid": "one"}, raw)
    told = await reason(issuer, token(issuer.user(), header=header))
    assert told.startswith("The token's header ") or "not a signed" in told
    assert issuer.requests == []


@pytest.mark.parametrize("raw", UNREADABLE)
async def test_claims_that_cannot_be_read_are_refused_although_signed(
    issuer: Issuer, raw: bytes
) -> None:
    told = await reason(issuer, token(inserted(issuer.user(), raw)))
    assert told.startswith("The token's payload ") or "not a signed" in told


@pytest.mark.parametrize("name", ["alg", "kid", "typ"])
async def test_a_header_name_that_stands_twice_is_refused_whichever_is_right(
    issuer: Issuer, name: str
) -> None:
    right = {"typ": "JWT", "alg": "RS256", "kid": "one"}
    for pair in ((right[name], "none"), ("none", right[name]), (right[name], right[name])):
        members = [f'"{key}": "{value}"' for key, value in right.items() if key != name]
        members += [f'"{name}": "{value}"' for value in pair]
        header = f"{{{', '.join(members)}}}".encode()
        assert "header cannot be read" in await reason(issuer, token(issuer.user(), header=header))


@pytest.mark.parametrize("name", ["iss", "aud", "tid", "oid", "exp", "azp", "scp", "roles"])
async def test_a_claim_that_stands_twice_is_refused_whichever_is_right(
    issuer: Issuer, name: str
) -> None:
    claims = issuer.user(roles=["ops"])
    twice = json.dumps(claims)[:-1] + f', "{name}": {json.dumps(claims[name])}}}'
    assert "payload cannot be read" in await reason(issuer, token(twice.encode()))


# The signature


async def test_a_signature_of_another_key_is_refused(issuer: Issuer) -> None:
    for kid, key in (("one", "two"), ("two", "one"), ("one", "own")):
        told = await reason(issuer, token(issuer.user(), kid=kid, key=rsa_key(key)))
        assert "signature is not right" in told


async def test_what_is_signed_cannot_be_exchanged(issuer: Issuer) -> None:
    header, payload, signature = token(issuer.user()).split(".")
    other = token(issuer.user(scp="admin"))
    forged = [
        f"{header}.{part(issuer.user(scp='admin'))}.{signature}",
        f"{part({'alg': 'RS256', 'kid': 'one'})}.{payload}.{signature}",
        f"{header}.{payload}.{other.split('.')[2]}",
        f"{header}.{payload}.{base64url(bytes(256))}",
        f"{header}.{payload}.{base64url(b'x' * 256)}",
        f"{header}.{payload}.{signature}{signature}",
        f"{header}.{payload}.AA",
        f"{header}.{payload}.A",
    ]
    for presented in forged:
        assert "signature is not right" in await reason(issuer, presented)


async def test_an_unencoded_payload_is_refused(issuer: Issuer) -> None:
    for header in ({"b64": False}, {"b64": False, "crit": ["b64"]}):
        await reason(issuer, token(issuer.user(), header=header))


async def test_without_keys_nothing_is_refused_and_nobody_recognised(issuer: Issuer) -> None:
    issuer.on_metadata = saying(500)
    tokens = validator(issuer)
    for presented in (token(issuer.user()), token(issuer.user(), key=rsa_key("own"))):
        with pytest.raises(Unavailable):
            await tokens.caller(presented)


# Who issued it


@pytest.mark.parametrize(
    "change",
    [
        lambda v1, v2: v2 + "/",
        lambda v1, v2: v2.upper(),
        lambda v1, v2: v2.removesuffix("/v2.0"),
        lambda v1, v2: v2 + "\n",
        lambda v1, v2: " " + v2,
        lambda v1, v2: v1 + "/",
        lambda v1, v2: v1.removesuffix("/"),
        lambda v1, v2: v1.replace("http:", "https:"),
        lambda v1, v2: v2.replace(TENANT, OTHER_TENANT),
        lambda v1, v2: v2.replace(TENANT, "common"),
        lambda v1, v2: v2.replace(TENANT, "{tenantid}"),
        lambda v1, v2: v2.replace(TENANT, TENANT.upper()),
        lambda v1, v2: f"https://sts.windows.net/{TENANT}/",
        lambda v1, v2: f"https://login.microsoftonline.com/{TENANT}/v2.0",
        lambda v1, v2: f"https://evil.example/{v2}",
        lambda v1, v2: v2 + "?" + v2,
    ],
)
async def test_an_issuer_is_trusted_by_its_exact_name(issuer: Issuer, change: Any) -> None:
    claims = issuer.user(iss=change(issuer.v1, issuer.v2))
    assert "another issuer (iss)" in await reason(issuer, token(claims))


@VERSIONS
async def test_explicit_issuers_are_the_only_ones(issuer: Issuer, version: int) -> None:
    only = issuer.v1 if version == 1 else issuer.v2
    other = issuer.user(3 - version)
    assert "another issuer" in await reason(issuer, token(other), issuers={only: TENANT})
    tokens = validator(issuer, issuers={only: TENANT})
    assert (await tokens.caller(token(issuer.user(version)))).kind == "user"


async def test_a_tenant_is_one_of_those_served(issuer: Issuer) -> None:
    told = await reason(issuer, token(issuer.user(tid=OTHER_TENANT)))
    assert "another tenant (tid)" in told


async def test_the_tenant_is_the_issuers_where_several_are_served(issuer: Issuer) -> None:
    other = issuer.v2.replace(TENANT, OTHER_TENANT)
    several = {
        "tenants": frozenset({TENANT, OTHER_TENANT}),
        "issuers": {issuer.v2: TENANT, other: OTHER_TENANT},
    }
    tokens = validator(issuer, **several)
    ours = await tokens.caller(token(issuer.user()))
    theirs = await tokens.caller(token(issuer.user(iss=other, tid=OTHER_TENANT)))
    assert (ours.tenant_id, theirs.tenant_id) == (TENANT, OTHER_TENANT)
    assert ours.principal != theirs.principal
    for claims in (issuer.user(tid=OTHER_TENANT), issuer.user(iss=other)):
        assert "another tenant (tid)" in await reason(issuer, token(claims), **several)


async def test_an_issuer_of_no_tenant_may_speak_for_the_served_ones_alone(issuer: Issuer) -> None:
    shared = {"issuers": {"https://issuer.example/": None}, "tenants": frozenset({TENANT})}
    claims = issuer.user(iss="https://issuer.example/")
    assert (await validator(issuer, **shared).caller(token(claims))).tenant_id == TENANT
    told = await reason(issuer, token(claims | {"tid": OTHER_TENANT}), **shared)
    assert "another tenant" in told


@pytest.mark.parametrize(
    ("confined", "versions"),
    [
        ("{base}/{{tenantid}}/v2.0", {1, 2}),
        (f"{{base}}/{TENANT}/v2.0", {1, 2}),
        (f"{{base}}/{TENANT}/", {1}),
        (f"{{base}}/{OTHER_TENANT}/v2.0", set()),
        ("https://evil.example/{{tenantid}}/v2.0", set()),
        ("", set()),
    ],
)
async def test_a_key_that_is_confined_to_an_issuer_signs_for_it_alone(
    issuer: Issuer, confined: str, versions: set[int]
) -> None:
    base = issuer.authority.removesuffix(f"/{TENANT}")
    issuer.keys = [jwk("one", issuer=confined.format(base=base))]
    for version in (1, 2):
        presented = token(issuer.user(version))
        if version in versions:
            assert (await validator(issuer).caller(presented)).kind == "user"
        else:
            assert "key of another issuer" in await reason(issuer, presented)


async def test_a_template_stands_for_the_tokens_own_tenant(issuer: Issuer) -> None:
    base = issuer.authority.removesuffix(f"/{TENANT}")
    other = issuer.v2.replace(TENANT, OTHER_TENANT)
    several = {
        "tenants": frozenset({TENANT, OTHER_TENANT}),
        "issuers": {issuer.v2: TENANT, other: OTHER_TENANT},
    }
    issuer.keys = [jwk("one", issuer=f"{base}/{{tenantid}}/v2.0"), jwk("two", issuer=other)]
    theirs = issuer.user(iss=other, tid=OTHER_TENANT)
    tokens = validator(issuer, **several)
    for presented in (token(theirs), token(theirs, kid="two"), token(issuer.user())):
        assert (await tokens.caller(presented)).kind == "user"
    told = await reason(issuer, token(issuer.user(), kid="two"), **several)
    assert "key of another issuer" in told


# For whom it was issued


@VERSIONS
@pytest.mark.parametrize(
    "audience",
    [API, APP_ID_URI, APP_ID_URI + "/", [API], [APP_ID_URI], [API, APP_ID_URI + "/"]],
)
async def test_an_audience_of_ours_is_taken(issuer: Issuer, version: int, audience: Any) -> None:
    caller = await validator(issuer).caller(token(issuer.user(version, aud=audience)))
    assert caller.kind == "user"


@pytest.mark.parametrize(
    "audience",
    [
        "https://other.example.com/mcp",
        CLIENT,
        APP_ID_URI + "//",
        APP_ID_URI.upper(),
        APP_ID_URI + "/tools",
        APP_ID_URI.removesuffix("/mcp"),
        " " + APP_ID_URI,
        f"{APP_ID_URI} https://other.example.com",
        API.upper(),
        f"api://{API}",
        f"spn:{API}",
        "/",
        "*",
        [API, "https://other.example.com/mcp"],
        ["https://other.example.com/mcp", API],
        [API, CLIENT],
        [API, API + " "],
    ],
)
async def test_an_audience_that_is_not_ours_alone_is_refused(issuer: Issuer, audience: Any) -> None:
    told = await reason(issuer, token(issuer.user(aud=audience)))
    assert told == "The token is for another resource (aud); ask for a scope of this API."


@pytest.mark.parametrize("audience", [MISSING, None, 5, True, {}, {API: API}, [5], [API, None]])
async def test_an_audience_that_is_no_text_is_refused(issuer: Issuer, audience: Any) -> None:
    told = await reason(issuer, token(changed(issuer.user(), "aud", audience)))
    assert "aud" in told


@pytest.mark.parametrize("audience", ["", [], [""], [API, ""]])
async def test_an_empty_audience_is_refused(issuer: Issuer, audience: Any) -> None:
    assert "aud" in await reason(issuer, token(issuer.user(aud=audience)))


@pytest.mark.parametrize(
    "audience",
    [
        GRAPH,
        "https://graph.microsoft.com",
        "https://graph.microsoft.com/",
        "https://graph.microsoft.us",
    ],
)
async def test_a_token_for_graph_is_refused_and_the_reason_says_so(
    issuer: Issuer, audience: str
) -> None:
    graph = "This is a token for Microsoft Graph; ask for a scope of this API instead."
    claims = issuer.user(1, aud=audience)
    assert await reason(issuer, token(claims)) == graph
    # As Entra makes them: what is signed is not what is sent.
    with_nonce = token(claims, key=rsa_key("own"), header={"nonce": "kGx"})
    assert await reason(issuer, with_nonce) == graph
    for kid in ("one", "unknown"):
        assert graph in await reason(issuer, token(claims, kid=kid, key=rsa_key("own")))


@VERSIONS
@pytest.mark.parametrize("more", [{}, {"nonce": "n"}, {"at_hash": "h", "nonce": "n"}])
async def test_an_id_token_is_refused_although_the_client_is_the_api(
    issuer: Issuer, version: int, more: Claims
) -> None:
    told = await reason(issuer, token(issuer.id_token(version, **more)))
    assert told == "This is an ID token; send the access token."


async def test_an_id_token_for_another_client_is_told_to_be_one(issuer: Issuer) -> None:
    told = await reason(issuer, token(issuer.id_token() | {"aud": CLIENT}))
    assert told == "This is an ID token; send an access token for this API."


@pytest.mark.parametrize("name", ["nonce", "at_hash", "c_hash"])
async def test_what_only_id_tokens_have_makes_one(issuer: Issuer, name: str) -> None:
    assert "ID token" in await reason(issuer, token(issuer.user(**{name: "x"})))


# When it is good


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [(-3661, False), (-60.001, False), (-60, True), (0, True), (3659.9, True), (3660, False)],
)
@pytest.mark.parametrize("name", ["nbf", "iat"])
async def test_a_token_is_good_from_its_beginning_to_its_end_give_or_take_the_skew(
    issuer: Issuer, clock: Clock, name: str, seconds: float, taken: bool
) -> None:
    claims = issuer.user(nbf=NOW - 9000, iat=NOW - 9000) | {name: NOW}
    clock.now = NOW + seconds
    tokens = validator(issuer, clock, clock_skew_seconds=60.0)
    if taken:
        await tokens.caller(token(claims))
        return
    with pytest.raises(InvalidToken, match="expired" if seconds > 0 else "not valid yet"):
        await tokens.caller(token(claims))


async def test_without_skew_the_moments_are_exact(issuer: Issuer, clock: Clock) -> None:
    tokens = validator(issuer, clock, clock_skew_seconds=0.0)
    presented = token(issuer.user(nbf=NOW, iat=NOW))
    for now, taken in ((NOW - 1, False), (NOW, True), (NOW + 3599, True), (NOW + 3600, False)):
        clock.now = now
        if taken:
            await tokens.caller(presented)
        else:
            with pytest.raises(InvalidToken):
                await tokens.caller(presented)


async def test_a_token_without_a_beginning_is_good_and_one_without_an_end_is_not(
    issuer: Issuer,
) -> None:
    claims = issuer.user()
    del claims["nbf"], claims["iat"]
    await validator(issuer).caller(token(claims))
    del claims["exp"]
    assert await reason(issuer, token(claims)) == "The token has no expiry (exp)."


NO_TIME: list[Any] = [
    None,
    True,
    False,
    "",
    str(NOW),
    "2027-01-15T08:00:00Z",
    [NOW],
    {},
    -1,
    -0.5,
    2**53,
    2**63,
    2**64,
    10**300,
    253_402_300_800,
]


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", NO_TIME)
async def test_what_is_no_time_is_refused(issuer: Issuer, name: str, value: Any) -> None:
    assert f"{name} is not a time" in await reason(issuer, token(issuer.user(**{name: value})))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("written", ["1e999", "-1e999", "1E+400", "1.8e19"])
async def test_a_time_beyond_all_time_is_refused(issuer: Issuer, name: str, written: str) -> None:
    text = json.dumps(issuer.user(**{name: "here"})).replace('"here"', written)
    assert f"{name} is not a time" in await reason(issuer, token(text.encode()))


async def test_a_time_may_have_a_fraction(issuer: Issuer) -> None:
    caller = await validator(issuer).caller(token(issuer.user(exp=NOW + 0.5, nbf=NOW - 0.5)))
    assert caller.expires_at == NOW + 0.5


# Whom it stands for


@pytest.mark.parametrize(
    ("scp", "scopes"),
    [
        ("a", {"a"}),
        ("a b", {"a", "b"}),
        (" a  b ", {"a", "b"}),
        ("a\tb", {"a\tb"}),
        ("a\u00a0b c", {"a\u00a0b", "c"}),
        ("A a", {"A", "a"}),
        (f"{APP_ID_URI}/a", {f"{APP_ID_URI}/a"}),
    ],
)
async def test_scopes_are_separated_by_spaces(issuer: Issuer, scp: str, scopes: set[str]) -> None:
    assert (await validator(issuer).caller(token(issuer.user(scp=scp)))).scopes == scopes


@pytest.mark.parametrize(
    "changes",
    [
        {"scp": MISSING},
        {"scp": ""},
        {"scp": " "},
        {"scp": "\t"},
        {"scp": None},
        {"scp": ["tools.read"]},
        {"scp": {}},
        {"scp": 5},
        {"scp": "\ud800"},
        {"idtyp": "app"},
        {"idtyp": "device"},
        {"idtyp": ""},
        {"idtyp": None},
        {"idtyp": ["user"]},
    ],
)
async def test_a_user_has_a_scope_and_is_not_said_to_be_something_else(
    issuer: Issuer, changes: Claims
) -> None:
    claims = issuer.user(roles=["tools.read"])
    for name, value in changes.items():
        claims = changed(claims, name, value)
    assert "neither clearly a user's" in await reason(issuer, token(claims))


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "other"},
        {"sub": MISSING},
        {"sub": None},
        {"idtyp": "user"},
        {"idtyp": "APP"},
        {"idtyp": None},
        {"idtyp": True},
        {"scp": ""},
        {"scp": " "},
        {"scp": None},
        {"scp": []},
        {"scp": "", "idtyp": "app"},
        {"scp": None, "idtyp": "app"},
        {"scp": "tools.read", "idtyp": "app"},
    ],
)
async def test_an_application_is_its_own_subject_or_said_to_be_one_and_has_no_scope(
    issuer: Issuer, changes: Claims
) -> None:
    claims = issuer.application()
    for name, value in changes.items():
        claims = changed(claims, name, value)
    assert "neither clearly a user's" in await reason(issuer, token(claims))


@pytest.mark.parametrize("name", ["tid", "oid", "azp"])
@pytest.mark.parametrize(
    "value",
    [
        MISSING,
        None,
        5,
        True,
        [],
        {},
        "",
        "x",
        f"{USER} ",
        f"{USER}\n",
        f"{{{USER}}}",
        USER.replace("-", ""),
        USER[:-1],
        USER.replace("0", "\u0660"),
        "../" + USER,
    ],
)
async def test_an_id_that_is_none_is_refused(issuer: Issuer, name: str, value: Any) -> None:
    told = await reason(issuer, token(changed(issuer.user(), name, value)))
    assert name in told or (name == "azp" and "ID token" in told)


@pytest.mark.parametrize("iss", [MISSING, None, 5, True, [], ["x"], {}, ""])
async def test_an_issuer_that_is_no_text_is_refused(issuer: Issuer, iss: Any) -> None:
    assert "iss" in await reason(issuer, token(changed(issuer.user(), "iss", iss)))


async def test_ids_are_compared_without_case(issuer: Issuer) -> None:
    claims = issuer.user(tid=TENANT.upper(), oid=USER.upper(), azp=CLIENT.upper())
    caller = await validator(issuer, allowed_client_ids=frozenset({CLIENT})).caller(token(claims))
    assert (caller.principal, caller.client_id) == (f"{TENANT}/{USER}", CLIENT)


@pytest.mark.parametrize("roles", [None, 5, True, {}, {"ops": True}, [5], ["ops", None], [["ops"]]])
async def test_roles_that_are_no_texts_are_refused(issuer: Issuer, roles: Any) -> None:
    for claims in (issuer.user(roles=roles), issuer.application(roles=roles)):
        assert "roles is not a list of texts" in await reason(issuer, token(claims))


@pytest.mark.parametrize("roles", ["", [""], ["ops", ""], ["\ud800"]])
async def test_a_role_has_a_name(issuer: Issuer, roles: Any) -> None:
    claims = issuer.application(roles=roles)
    assert "roles is not a list of texts" in await reason(issuer, token(claims))


@pytest.mark.parametrize(
    ("roles", "held"),
    [(MISSING, set()), ([], set()), ("ops", {"ops"}), (["a", "a b"], {"a", "a b"})],
)
async def test_roles_are_taken_as_they_are(issuer: Issuer, roles: Any, held: set[str]) -> None:
    claims = changed(issuer.user(), "roles", roles)
    assert (await validator(issuer).caller(token(claims))).roles == held


async def test_other_claims_may_hold_scopes_and_roles(issuer: Issuer) -> None:
    mapped = {"scope_claim": "scope", "role_claim": "http://schemas.example/role"}
    claims = issuer.user(scp="wrong", scope="right", roles=["wrong"])
    claims |= {"http://schemas.example/role": "right"}
    caller = await validator(issuer, **mapped).caller(token(claims))
    assert caller.scopes == caller.roles == {"right"}


# Who is let in


async def not_admitted(issuer: Issuer, claims: Claims, **changes: Any) -> NotAdmitted:
    with pytest.raises(NotAdmitted) as caught:
        await validator(issuer, **changes).caller(token(claims))
    return caught.value


@VERSIONS
@pytest.mark.parametrize("kind", ["user", "application"])
async def test_only_clients_on_the_list_may_call(issuer: Issuer, version: int, kind: str) -> None:
    claims = getattr(issuer, kind)(version)
    allowed = {"allowed_client_ids": frozenset({CLIENT})}
    assert (await validator(issuer, **allowed).caller(token(claims))).client_id == CLIENT
    claims[{1: "appid", 2: "azp"}[version]] = OTHER_CLIENT
    refused = await not_admitted(issuer, claims, **allowed)
    assert OTHER_CLIENT in refused.reason
    assert refused.caller.principal.startswith(TENANT)
    assert refused.caller.assertion is None


async def test_being_on_the_list_of_clients_is_no_role(issuer: Issuer) -> None:
    claims = issuer.application(roles=[])
    refused = await not_admitted(issuer, claims, allowed_client_ids=frozenset({CLIENT}))
    assert isinstance(refused, NoAppRole)


@pytest.mark.parametrize("roles", [MISSING, []])
async def test_an_application_without_a_role_is_refused(issuer: Issuer, roles: Any) -> None:
    refused = await not_admitted(issuer, changed(issuer.application(), "roles", roles))
    assert isinstance(refused, NoAppRole)
    assert CLIENT in refused.reason
    assert refused.caller.principal == f"{TENANT}/{APPLICATION}"


@pytest.mark.parametrize("granted", [frozenset(), frozenset({"ops"}), frozenset({"ops", "x"})])
@pytest.mark.parametrize("own", [[], ["tools.read"]])
async def test_a_grant_admits_an_application_and_adds_its_roles(
    issuer: Issuer, granted: frozenset[str], own: list[str]
) -> None:
    tokens = validator(issuer, application_grants={CLIENT: granted})
    caller = await tokens.caller(token(issuer.application(roles=own)))
    assert caller.roles == granted | set(own)


async def test_a_grant_is_for_its_client_and_for_no_user(issuer: Issuer) -> None:
    grants = {"application_grants": {OTHER_CLIENT: frozenset({"ops"})}}
    await not_admitted(issuer, issuer.application(roles=[]), **grants)
    grants = {"application_grants": {CLIENT: frozenset({"ops"})}}
    assert (await validator(issuer, **grants).caller(token(issuer.user()))).roles == frozenset()


async def test_a_grant_does_not_get_past_the_list_of_clients(issuer: Issuer) -> None:
    refused = await not_admitted(
        issuer,
        issuer.application(roles=[]),
        application_grants={CLIENT: frozenset({"ops"})},
        allowed_client_ids=frozenset({OTHER_CLIENT}),
    )
    assert not isinstance(refused, NoAppRole)


OVERAGES = [
    {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://g"}}},
    {"hasgroups": True},
    {"hasgroups": "true"},
    {"_claim_names": {"groups": "src1"}, "groups": []},
    {"_claim_names": {"groups": "src1"}, "groups": ["some"]},
    {"hasgroups": True, "groups": ["some"]},
]


@pytest.mark.parametrize("overage", OVERAGES)
async def test_left_out_groups_are_refused_where_groups_are_the_roles(
    issuer: Issuer, overage: Claims
) -> None:
    refused = await not_admitted(issuer, issuer.user(**overage), role_claim="groups")
    assert "too many" in refused.reason
    caller = await validator(issuer).caller(token(issuer.user(**overage)))
    assert caller.kind == "user"


@pytest.mark.parametrize("whole", [{}, {"groups": ["a"]}, {"_claim_names": {"other": "src1"}}])
async def test_groups_that_are_all_there_are_roles(issuer: Issuer, whole: Claims) -> None:
    caller = await validator(issuer, role_claim="groups").caller(token(issuer.user(**whole)))
    assert caller.roles == set(whole.get("groups", ()))


# For people who ask why


def test_claims_can_be_read_without_being_believed() -> None:
    assert claims_of(token({"a": 1}, key=rsa_key("own"))) == {"a": 1}
    for unreadable in ("", "a.b.c", "x" * 20_000, token(b"[]")):
        with pytest.raises(InvalidToken):
            claims_of(unreadable)
