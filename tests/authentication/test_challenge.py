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
