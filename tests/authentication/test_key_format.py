"""The format of keys: what is one, what is not, and the form in which keys are stored."""

import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.authentication import key_format

PLAIN = "mcp_ab12cd34_" + "A" * 43
KEY = f"{PLAIN}_03ig0Z"

ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=24)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(ids)
def test_a_new_key_is_read_back_by_its_id(id: str) -> None:
    key = key_format.make(id)
    assert key_format.parse(key) == id
    assert re.fullmatch(rf"mcp_{id}_[0-9A-Za-z]{{43}}_[0-9A-Za-z]{{6}}", key)
    assert not key_format.is_foreign(key)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.data())
def test_any_one_wrong_character_makes_it_no_key(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(KEY) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != KEY[place]))
    assert key_format.parse(KEY[:place] + other + KEY[place + 1 :]) is None


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text())
def test_no_other_text_is_a_key(text: str) -> None:
    assert key_format.parse(text) is None
    assert key_format.read_digest(text) is None


def test_the_checksum_stays_what_it_is() -> None:
    """Keys in use depend on it."""
    assert key_format.parse(KEY) == "ab12cd34"


@pytest.mark.parametrize(
    "text",
    [
        "",
        PLAIN,
        KEY[:-1],
        KEY + "\n",
        KEY + " ",
        " " + KEY,
        KEY.upper(),
        KEY.replace("mcp_", "Mcp_"),
        KEY.replace("_", "-"),
        KEY.replace("_03ig0Z", "_03ig0z"),
        KEY.replace("ab12cd34", "ab12cd3"),
        KEY.replace("ab12cd34", "a" * 25),
        KEY.replace("ab12cd34", "ab12cd3é"),
        KEY.replace("ab12cd34", "ab12cd3\u0664"),
        KEY.replace("AAA", "AA A", 1),
        f"{KEY}, {KEY}",
        "\udcff" + KEY,
    ],
)
def test_what_only_looks_like_a_key_is_none(text: str) -> None:
    assert key_format.parse(text) is None


def test_keys_and_ids_differ_each_time() -> None:
    assert len({key_format.make("ab12cd34") for _ in range(100)}) == 100
    made = {key_format.new_id() for _ in range(100)}
    assert len(made) == 100
    assert all(key_format.ID.fullmatch(id) for id in made)


@pytest.mark.parametrize("id", ["", "short12", "a" * 25, "UPPER123", "with-hyphen", "ab12cd34\n"])
def test_an_id_keys_cannot_have_is_refused(id: str) -> None:
    with pytest.raises(ValueError, match="8 to 24"):
        key_format.make(id)


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("k" * 32, True),
        ("k" * 31, False),
        ("k" * 1001, False),
        ("sk-proj/" + "A9+=" * 8, True),
        ("with space " + "k" * 32, False),
        ("clé" + "k" * 32, False),
        ("k" * 32 + "\n", False),
        (KEY[:-1] + "j", False),
    ],
)
def test_a_foreign_key_is_long_printable_and_unlike_ours(text: str, foreign: bool) -> None:
    assert key_format.is_foreign(text) is foreign


def test_a_key_is_stored_as_its_sha256() -> None:
    expected = hashlib.sha256(KEY.encode()).hexdigest()
    assert key_format.digest_text(KEY) == f"sha256:{expected}"
    assert key_format.read_digest(f"sha256:{expected.upper()}") == key_format.digest(KEY)
    assert key_format.read_digest(f"sha256:{expected}") == bytes.fromhex(expected)


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", "sha256:" + "a" * 63, "sha256:" + "a" * 65, "sha256:" + "g" * 64, "a" * 64,
     "sha1:" + "a" * 64, "sha256:" + "a" * 64 + "\n", "sha256:" + "\u0664" * 64],
)  # fmt: skip
def test_anything_else_is_no_digest(text: str) -> None:
    assert key_format.read_digest(text) is None
