"""A refusal is found behind whatever wraps it."""

import pytest

from shared.credential import ClaimsChallenge, CredentialRefused, refusal_behind

REFUSED = CredentialRefused("no")


def caused() -> Exception:
    try:
        raise RuntimeError("wrapped") from REFUSED
    except RuntimeError as error:
        return error


def in_context() -> Exception:
    try:
        try:
            raise REFUSED
        except CredentialRefused:
            raise RuntimeError("while handling") from None
    except RuntimeError as error:
        return error


def behind_another() -> Exception:
    try:
        raise ValueError("outer") from caused()
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        caused(),
        in_context(),
        behind_another(),
        ExceptionGroup("g", [KeyError(), caused()]),
    ],
    ids=["itself", "cause", "context", "deeper", "group"],
)
def test_a_refusal_is_found_behind_an_exception(error: Exception) -> None:
    assert refusal_behind(error) is REFUSED


def test_other_exceptions_have_none() -> None:
    error = RuntimeError()
    error.__context__ = ValueError()
    error.__context__.__cause__ = error  # A circle ends.
    assert refusal_behind(error) is None


def test_a_challenge_carries_its_claims() -> None:
    challenge = ClaimsChallenge("more proof", "{}")
    assert (str(challenge), challenge.claims, challenge.retry_after) == ("more proof", "{}", None)
