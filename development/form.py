"""Parameters of a request: read once, none of them twice."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from development.errors import refusal

_MOST = 50


class Form:
    """The parameters of a query or a body (application/x-www-form-urlencoded).

    Empty ones count as absent (RFC 6749 section 3.1). Raises Refused for one that is there twice,
    or when there are too many. Values do not show in a repr.
    """

    def __init__(self, text: str) -> None:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST, errors="strict")
        except ValueError:
            raise refusal(9002313) from None
        self._values: dict[str, str] = {}
        for name, value in pairs:
            if name in self._values:
                raise refusal(9000411, name)
            self._values[name] = value

    def get(self, name: str) -> str | None:
        return self._values.get(name) or None

    def need(self, name: str) -> str:
        """A parameter that must be there. Raises Refused."""
        value = self.get(name)
        if value is None:
            raise refusal(900144, name)
        return value

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __repr__(self) -> str:
        return f"<Form {' '.join(self._values)}>"


def of_body(headers: Mapping[str, str], body: bytes) -> Form:
    """The parameters of a body; none when it is of another type."""
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return Form("")
    try:
        return Form(body.decode("ascii"))
    except UnicodeDecodeError:
        raise refusal(9002313) from None
