"""URI templates of resources: `invoices://{customer}/{number}` (RFC 6570 level 1)."""

import re
from urllib.parse import unquote

MAX_URI = 4096

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s{}]*")


class UriTemplate:
    """A URI with variables, each standing for one segment of a path.

    Raises ValueError for text that is not a URI or uses more of RFC 6570 than plain `{name}`.
    """

    def __init__(self, text: str) -> None:
        self.variables = tuple(_VARIABLE.findall(text))
        if not _URI.fullmatch(_VARIABLE.sub("x", text)):
            raise ValueError("expected a URI such as invoices://{customer}, variables as {name}")
        if len(set(self.variables)) < len(self.variables):
            raise ValueError("expected each variable once")
        parts = _VARIABLE.split(text)
        self._pattern = re.compile(
            "".join("([^/?#]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts))
        )

    def match(self, uri: str) -> dict[str, str] | None:
        """The values of the variables in a URI, decoded, or None when it does not fit.

        A value that decodes to something with a slash, a control character or to `.` or `..` does
        not fit: whoever builds a path from it must not be led elsewhere.
        """
        match = self._pattern.fullmatch(uri) if len(uri) <= MAX_URI else None
        if match is None:
            return None
        try:
            values = [unquote(group, errors="strict") for group in match.groups()]
        except UnicodeDecodeError:
            return None
        if not all(_is_segment(value) for value in values):
            return None
        return dict(zip(self.variables, values, strict=True))


def _is_segment(value: str) -> bool:
    return value.isprintable() and value not in (".", "..") and not {"/", "\\"} & set(value)
