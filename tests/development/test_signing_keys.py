"""Signing keys: published as Entra does, rotated with an overlap, kept across restarts."""

import stat
from pathlib import Path

import jwt
import pytest

from development import signing_keys
from development.private_files import NotPrivate
from development.signing_keys import SigningKeys


def verified(token: str, keys: SigningKeys) -> bool:
    """Whether a token can be verified with what is published, by PyJWT."""
    published = jwt.PyJWKSet.from_dict(keys.published("https://issuer"))
    try:
        key = published[jwt.get_unverified_header(token)["kid"]]
    except KeyError:
        return False
    return bool(jwt.decode(token, key, algorithms=["RS256"]))


def test_a_token_is_verified_by_what_is_published(keys: SigningKeys) -> None:
    token = keys.sign({"a": 1})
    assert verified(token, keys)
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": keys.key_id}
    marked = jwt.get_unverified_header(keys.sign({}, thumbprint=True))
    assert marked["x5t"] == keys.key_id


def test_a_published_key_has_the_members_entra_writes_and_no_algorithm(keys: SigningKeys) -> None:
    (key,) = keys.published("https://issuer")["keys"]
    assert set(key) == {"kty", "use", "kid", "x5t", "n", "e", "issuer"}
    assert (key["kty"], key["use"], key["e"], key["issuer"]) == (
        "RSA",
        "sig",
        "AQAB",
        "https://issuer",
    )


def test_a_rotated_key_stays_for_one_more_rotation() -> None:
    keys = SigningKeys()
    first = keys.sign({"a": 1})
    second_id = keys.rotate()
    assert keys.key_id == second_id
    assert jwt.get_unverified_header(keys.sign({}))["kid"] == second_id
    assert verified(first, keys)
    keys.rotate()
    assert not verified(first, keys)
    assert [key["kid"] for key in keys.published("i")["keys"]] == [keys.key_id, second_id]


def test_keys_survive_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "kept" / "keys.pem"
    keys = signing_keys.open_file(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = keys.sign({"a": 1})
    again = signing_keys.open_file(file)
    assert again.published("i") == keys.published("i")
    again.rotate()
    third = signing_keys.open_file(file)
    assert third.key_id == again.key_id
    assert verified(token, third)


def test_a_key_file_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "kept" / "keys.pem"
    signing_keys.open_file(file)
    file.chmod(0o644)
    with pytest.raises(NotPrivate, match="Others can read"):
        signing_keys.open_file(file)


@pytest.mark.parametrize("content", [b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_without_keys_is_refused_and_not_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "kept" / "keys.pem"
    signing_keys.open_file(file)
    file.write_bytes(content)
    with pytest.raises(NotPrivate) as refused:
        signing_keys.open_file(file)
    assert str(refused.value) == f"{file} does not hold signing keys; remove it."
