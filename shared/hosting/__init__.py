"""Where the endpoint runs. A host turns its requests into `Request` and back, and nothing else."""

from typing import Protocol

from shared.http import EventStream, Request, Response


class Handler(Protocol):
    """What a host needs of an endpoint, ready or not."""

    max_body: int

    async def handle(self, request: Request) -> Response | EventStream: ...

    async def close(self) -> None: ...
