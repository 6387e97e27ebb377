"""What is published for clients that sign in: the same for everybody, from every Origin."""

import math
from urllib.parse import urlsplit

from shared.authentication.authenticate import Authenticator
from shared.authentication.resource_metadata import (
    METADATA_PATH,
    SERVER_METADATA_PATH,
    ResourceMetadata,
    server_document,
)
from shared.http import Refusal, Request, Response, json_response
from shared.refreshing import Unavailable

_ANYWHERE = {"Access-Control-Allow-Origin": "*"}
_VERBS = "GET, HEAD, OPTIONS"
_PREFLIGHT = {
    **_ANYWHERE,
    "Allow": _VERBS,
    "Access-Control-Allow-Methods": _VERBS,
    "Access-Control-Allow-Headers": "Accept, Content-Type, MCP-Protocol-Version",
    "Access-Control-Max-Age": "600",
}


class Discovery:
    """Protected resource metadata (RFC 9728) and, when asked for, that of the authorization server.

    `metadata` is None where only keys are taken: then nothing is published. `public_url` is the
    endpoint's; its path and `mcp_path` are the suffixes under which the metadata is found.
    """

    def __init__(
        self,
        metadata: ResourceMetadata | None,
        authenticator: Authenticator,
        public_url: str,
        mcp_path: str,
    ) -> None:
        self._metadata = metadata
        self._authenticator = authenticator
        at = urlsplit(public_url).path.lower()
        self._resource_paths = {f"{METADATA_PATH}{suffix}" for suffix in ("", mcp_path, at)}
        self._server_path = f"{SERVER_METADATA_PATH}{at}"

    def covers(self, path: str) -> bool:
        """Whether a path, in lower case, is for this to answer."""
        return path.startswith((METADATA_PATH, SERVER_METADATA_PATH))

    async def answer(self, request: Request, path: str) -> Response:
        """The document at a path. Raises Refusal."""
        metadata = self._metadata
        if metadata is None:
            raise Refusal(404, "Nobody signs in here: this endpoint takes API keys.")
        resource = path in self._resource_paths
        if not resource and (metadata.issuer is None or path != self._server_path):
            raise Refusal(404, f"Nothing is here. The metadata is at {metadata.url}.")
        if request.method == "OPTIONS":
            return Response(204, _PREFLIGHT)
        if request.method not in ("GET", "HEAD"):
            raise Refusal(405, "Metadata is read with GET.", {"Allow": _VERBS})
        if resource:
            return json_response(200, metadata.document, _ANYWHERE)
        try:
            upstream = await self._authenticator.upstream_metadata()
        except Unavailable as error:
            headers = {**_ANYWHERE, "Retry-After": str(math.ceil(error.retry_after))}
            raise Refusal(503, "The issuer's metadata is not available now.", headers) from None
        return json_response(200, server_document(metadata, upstream), _ANYWHERE)
