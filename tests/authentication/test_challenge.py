"""The `WWW-Authenticate` value."""

import pytest

from shared.authentication.challenge import Challenge


@pytest.mark.parametrize(
    ("challenge", "text"),
    [
        (Challenge("ApiKey", "postern"), 'ApiKey realm="postern"'),
        (
            Challenge("ApiKey", "postern", "insufficient_scope", "x needs more.", ("a", "b.c")),
            'ApiKey realm="postern", error="insufficient_scope", '
            'error_description="x needs more.", scope="a b.c"',
        ),
        (Challenge("ApiKey", ""), 'ApiKey realm=""'),
    ],
)
def test_a_challenge_is_one_line_of_quoted_parameters(challenge: Challenge, text: str) -> None:
    assert str(challenge) == text


@pytest.mark.parametrize(
    "hostile",
    [
        'a", realm="evil',
        "a\\",
        'a\\", x="y',
        "a\r\nSet-Cookie: session=1",
        "a\nb",
        "a\0b",
        "a\x7fb",
        "Контора",
        "a\u2028b",
    ],
)
def test_no_text_breaks_out_of_its_quotes_or_its_line(hostile: str) -> None:
    text = str(Challenge("ApiKey", hostile, "e", hostile, (hostile,)))
    assert text.count('"') == 8
    assert "\\" not in text
    assert text.isascii()
    assert text.isprintable()


METADATA = "https://h.example/.well-known/oauth-protected-resource/mcp"


@pytest.mark.parametrize(
    ("challenge", "text"),
    [
        (
            Challenge("Bearer", scopes=("api://x/a", "api://x/b"), resource_metadata=METADATA),
            f'Bearer resource_metadata="{METADATA}", scope="api://x/a api://x/b"',
        ),
        (
            Challenge("Bearer", None, "invalid_token", "Expired.", ("api://x/a",), METADATA),
            'Bearer error="invalid_token", error_description="Expired.", '
            f'resource_metadata="{METADATA}", scope="api://x/a"',
        ),
        (Challenge("Bearer", resource_metadata=METADATA), f'Bearer resource_metadata="{METADATA}"'),
    ],
)
def test_a_challenge_for_a_token_says_where_the_metadata_is(
    challenge: Challenge, text: str
) -> None:
    assert str(challenge) == text


@pytest.mark.parametrize("hostile", ['x", scope="admin', "x\r\nSet-Cookie: a=b", "x\\", "\u2028é"])
def test_nothing_breaks_out_of_a_challenge_for_a_token(hostile: str) -> None:
    text = str(Challenge("Bearer", None, hostile, hostile, (hostile, hostile), hostile))
    assert text.count('"') == 8
    assert text.count("=") == 4 + 5 * hostile.count("=")
    assert text.isascii()
    assert text.isprintable()
