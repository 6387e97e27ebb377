"""Parameters are read once, and none of them twice."""

import pytest

from development.errors import Refused
from development.form import Form, of_body

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def test_parameters_are_decoded_and_empty_ones_absent() -> None:
    form = of_body(FORM, b"scope=a%20b+c&empty=&name=%C3%BC")
    assert (form.get("scope"), form.get("name"), form.get("empty")) == ("a b c", "ü", None)
    assert "empty" not in form
    with pytest.raises(Refused, match="900144"):
        form.need("empty")


def test_another_type_of_body_has_no_parameters() -> None:
    assert of_body({"content-type": "application/json"}, b"grant_type=x").get("grant_type") is None
    assert of_body({}, b"grant_type=x").get("grant_type") is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"a=1&a=2", 9000411),
        (b"a=1&a=1", 9000411),
        (b"&".join(b"p%d=1" % i for i in range(51)), 9002313),
        (b"a=%ff", 9002313),
        (b"a=\xff", 9002313),
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes, code: int) -> None:
    with pytest.raises(Refused, match=str(code)):
        of_body(FORM, body)


def test_a_repr_names_parameters_and_shows_no_value() -> None:
    assert repr(Form("client_secret=hush&code=hush")) == "<Form client_secret code>"
