"""From the credential on a request to a caller: the order of the checks, in one place."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from shared.authentication.api_keys import KeyRing
from shared.authentication.challenge import Challenge
from shared.caller import ANONYMOUS, Caller
from shared.command_names import squashed
from shared.configuration.model import AuthenticationSettings
from shared.http import Request

# Where people put credentials in a URL by mistake; compared without case and separators.
_QUERY_NAMES = {"apikey", "accesstoken", "key", "token", "code", "xfunctionskey"}


@dataclass(eq=False)
class Refused(Exception):
    """No caller: the HTTP status (400 or 401), what to tell the client, and the challenge."""

    status: int
    message: str
    challenge: Challenge | None = None


class Authenticator:
    """Recognises callers by the active schemes of the configuration.

    With authentication off (only in development) every request is anonymous.
    """

    def __init__(self, settings: AuthenticationSettings, realm: str) -> None:
        self._enabled = settings.enabled
        self._rings = [KeyRing(scheme) for scheme in settings.key_schemes]
        self._realm = realm
        self._query_names = _QUERY_NAMES | {squashed(ring.header) for ring in self._rings}

    def authenticate(self, request: Request) -> Caller:
        """The caller of a request; anonymous when it carries no credential at all.

        Raises Refused: 400 for two credentials (RFC 6750 section 3.1), 401 for one that is wrong
        or in the wrong place. A bad credential never counts as none. Does not decide whether an
        anonymous caller may go on, nor what any caller may do.
        """
        if not self._enabled:
            return ANONYMOUS
        presented = [ring for ring in self._rings if ring.header.lower() in request.headers]
        bearer = "authorization" in request.headers
        in_query = self._in_query(request.query)
        if len(presented) + bearer + bool(in_query) > 1:
            places = [f"header {ring.header}" for ring in presented]
            places += ["header Authorization"] * bearer + [f"query {name}" for name in in_query[:1]]
            raise Refused(400, f"Two credentials ({' and '.join(places)}). {self._how()}")
        if in_query:
            raise self.refusal("A credential in the URL is not accepted: URLs end up in logs.")
        if bearer:
            raise self.refusal("This endpoint takes no Authorization header.")
        if not presented:
            return ANONYMOUS
        ring = presented[0]
        caller = ring.caller(request.headers[ring.header.lower()].strip(" \t"))
        if caller is None:
            raise self.refusal(f"The key in {ring.header} is not valid.")
        return caller

    def refusal(self, reason: str = "A credential is needed.") -> Refused:
        """The 401 for a caller who has to present something else."""
        return Refused(401, f"{reason} {self._how()}", self.challenge())

    def challenge(
        self, error: str | None = None, description: str | None = None, scopes: Sequence[str] = ()
    ) -> Challenge:
        """How to ask for a credential, with what is wrong with the present one."""
        return Challenge("ApiKey", self._realm, error, description, scopes)

    def _how(self) -> str:
        headers = " or ".join(ring.header for ring in self._rings)
        return f"Send an API key in the header {headers}."

    def _in_query(self, query: str) -> list[str]:
        if not query:
            return []
        names = [name for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=None)]
        return [name[:40] for name in names if squashed(name) in self._query_names]
