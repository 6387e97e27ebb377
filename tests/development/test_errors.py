"""Refusals in Entra's words."""

import json
import uuid

import pytest

from development import errors
from development.errors import Refused, members, refusal
from tests.development.support import NOON


def test_an_answer_has_the_members_entra_writes() -> None:
    mark = str(uuid.uuid4())
    told = members(refusal(500011, "api://x"), NOON, mark)
    assert set(told) == {
        "error",
        "error_description",
        "error_codes",
        "timestamp",
        "trace_id",
        "correlation_id",
    }
    assert (told["error"], told["error_codes"]) == ("invalid_resource", [500011])
    assert (told["timestamp"], told["correlation_id"]) == ("2027-01-15 08:00:00Z", mark)
    text, _, marks = told["error_description"].partition(" Trace ID: ")
    assert text.startswith("AADSTS500011: The resource principal named api://x was not found")
    assert marks == f"{told['trace_id']} Correlation ID: {mark} Timestamp: 2027-01-15 08:00:00Z"


@pytest.mark.parametrize("code", sorted(errors._KINDS))
def test_every_text_is_whole_whatever_is_told(code: int) -> None:
    fields = errors._KINDS[code].text.count("{}")
    for told in ((), ("{}",) * fields, ("a{b}\x00\n" * 200,) * fields):
        text = refusal(code, *told).text
        assert text.startswith(f"AADSTS{code}: ")
        assert text.isprintable()
        assert len(text) < 1500
        json.dumps(text)


def test_what_differs_is_told_besides() -> None:
    refused = Refused(65001, ("x",), error="consent_required", more={"suberror": "s"})
    told = members(refused, NOON, "m")
    assert (told["error"], told["suberror"], told["error_codes"]) == (
        "consent_required",
        "s",
        [65001],
    )


def test_only_a_guid_is_taken_for_a_correlation_id() -> None:
    mark = "0A1b2c3d-0000-4000-8000-000000000001"
    assert errors.correlation_id(mark) == mark
    for given in (None, "", "x", f"{mark}\n", f"{mark}x"):
        assert errors.correlation_id(given) != given
        uuid.UUID(errors.correlation_id(given))
