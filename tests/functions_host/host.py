"""A stand-in for the Functions host over Microsoft's own worker library.

The library (`azure-functions-runtime`) indexes a real app folder, decodes requests, runs the
functions and encodes responses. What the host does around it is done here: routing, header
joining, leaving out bodies without a length. There is one runtime to a process and the app brings
its own `shared`, so the worker side runs in a process of its own (`main`) and exchanges one line
of JSON a request with the test's side (`FunctionsHost`).

When the app streams, the worker opens an HTTP server. Requests then go there as they are, with a
header that names the invocation, and the line of JSON carries nothing but the route's parameters.
"""

import asyncio
import base64
import json
import logging
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit

HOSTNAME = "postern.example.net"


@dataclass(frozen=True)
class Reply:
    """What left the function: header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FunctionsHost:
    """One app in a worker process, and what the host does with requests for it."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path, log: Path) -> None:
        self._process = process
        self.log = log
        started = self._answer()
        assert "functions" in started, started
        self.functions: list[dict[str, Any]] = started["functions"]
        self.server: str | None = started["server"]
        settings = json.loads((folder / "host.json").read_text(encoding="utf-8"))
        http = settings.get("extensions", {}).get("http", {})
        self.route_prefix: str = http.get("routePrefix", "api")
        self._routes = sorted(
            (_route(self.route_prefix, function) for function in self.functions),
            key=lambda route: route.ranks,
        )

    def request(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        chunked: bool = False,
    ) -> Reply:
        """Send one request and read the whole response.

        A chunked request has no Content-Length, and so loses its body unless the app streams.
        """
        if self._match(method, target) is None:
            return Reply(404, {}, b"")
        if self.server is not None:
            with self.opened(method, target, headers, body, chunked=chunked) as response:
                return Reply(response.status, _lowered(response), response.read())
        url = urlsplit(target)
        self._send(
            self._invocation(method, target)
            | {
                "method": method,
                "url": f"https://{HOSTNAME}{target}",
                "headers": _joined([("Host", HOSTNAME), *headers], lower=True),
                "query": _joined(parse_qsl(url.query, keep_blank_values=True)),
                "body": "" if chunked else base64.b64encode(body).decode(),
            }
        )
        answer = self._ended()
        answered = {name.lower(): value for name, value in answer["headers"].items()}
        return Reply(answer["status"], answered, base64.b64decode(answer["body"]))

    @contextmanager
    def opened(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        chunked: bool = False,
    ) -> Iterator[HTTPResponse]:
        """The response of an app that streams, to be read as it comes, or left."""
        invocation = self._invocation(method, target)
        with closing(self._connection()) as connection:
            self._send(invocation)
            _head(connection, method, target, [("x-ms-invocation-id", invocation["id"]), *headers])
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
                halves = [half for half in (body[: len(body) // 2], body[len(body) // 2 :]) if half]
                connection.endheaders(iter(halves), encode_chunked=True)
            else:
                connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
            response = connection.getresponse()
            self._ended()
            yield response

    def abandon(self, target: str, headers: Sequence[tuple[str, str]], part: bytes) -> None:
        """Post the first part of a body, then leave; returns when the invocation has ended."""
        invocation = self._invocation("POST", target)
        with closing(self._connection()) as connection:
            self._send(invocation)
            _head(connection, "POST", target, [("x-ms-invocation-id", invocation["id"]), *headers])
            connection.putheader("Content-Length", str(len(part) + 1))
            connection.endheaders(part)
        self._ended()

    def _match(self, method: str, target: str) -> tuple["_Route", dict[str, str]] | None:
        """The route of a request, and its parameters."""
        path = urlsplit(target).path
        for route in self._routes:
            match = route.pattern.fullmatch(path)
            if match and method in route.methods:
                return route, {name: value for name, value in match.groupdict().items() if value}
        return None

    def _invocation(self, method: str, target: str) -> dict[str, Any]:
        """What the worker is told of a request to an app that streams."""
        match = self._match(method, target)
        assert match is not None
        route, params = match
        return {
            "id": str(uuid.uuid4()),
            "function": route.function_id,
            "parameter": route.parameter,
            "params": params,
        }

    def _connection(self) -> HTTPConnection:
        """A connection to the worker's server, which is told of before it listens."""
        assert self.server is not None
        connection = HTTPConnection(urlsplit(self.server).netloc, timeout=30)
        deadline = time.monotonic() + 10
        while True:
            try:
                connection.connect()
                return connection
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _ended(self) -> Any:
        answer = self._answer()
        assert "error" not in answer, answer["error"]
        return answer

    def _send(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self.log.read_text(encoding="utf-8")
        return json.loads(line)


@contextmanager
def hosting(
    folder: Path,
    variables: Mapping[str, str] | None = None,
    *,
    without: str = "",
    python: Path = Path(sys.executable),
) -> Iterator[FunctionsHost]:
    """Host the app in `folder` until the block ends; `variables` are its app settings.

    `without` names a module that cannot be imported there. `python` is that of the app's
    environment, which needs nothing but what the app itself does.
    """
    log = folder.with_suffix(".log")
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [python, "-I", str(Path(__file__)), str(folder), without],
            cwd=folder,
            env={"PATH": os.defpath, **(variables or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
        ) as process,
    ):
        try:
            yield FunctionsHost(process, folder, log)
        finally:
            process.kill()


@dataclass(frozen=True)
class _Route:
    pattern: re.Pattern[str]
    ranks: list[int]
    methods: Sequence[str]
    function_id: str
    parameter: str


def _route(prefix: str, function: Mapping[str, Any]) -> _Route:
    """The subset of ASP.NET's route templates in use: literal, `{name}` and `{*rest}` segments."""
    trigger = trigger_of(function)
    pattern, ranks = "", []
    for segment in filter(None, f"{prefix}/{trigger['route']}".split("/")):
        if segment.startswith("{*"):
            pattern += f"(?:/(?P<{segment.strip('{*}')}>.*))?"
            ranks.append(3)
        elif segment.startswith("{"):
            pattern += f"/(?P<{segment.strip('{}')}>[^/]+)"
            ranks.append(2)
        else:
            pattern += f"/{re.escape(segment)}"
            ranks.append(0)
    return _Route(
        re.compile(f"{pattern}/?", re.IGNORECASE),
        ranks,
        trigger["methods"],
        function["id"],
        trigger["name"],
    )


def trigger_of(function: Mapping[str, Any]) -> dict[str, Any]:
    """The HTTP trigger among a function's bindings."""
    bindings: list[dict[str, Any]] = function["bindings"]
    return next(b for b in bindings if b["type"].lower() == "httptrigger")


def _head(
    connection: HTTPConnection, method: str, target: str, headers: Sequence[tuple[str, str]]
) -> None:
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)


def _lowered(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _joined(pairs: Sequence[tuple[str, str]], *, lower: bool = False) -> dict[str, str]:
    """Repeated names joined with ",", empty values dropped, as the host does."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower() if lower else name
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    return {name: value for name, value in joined.items() if value}


class _Message:
    """A message of the host's protocol: attributes as given, any other is None.

    The library tells a TypedData from what holds one by asking for the attribute of that name.
    """

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)

    def __getattr__(self, name: str) -> Any:
        if name == "TypedData" or name.startswith("__"):
            raise AttributeError(name)
        return None


class _TypedData(_Message):
    def WhichOneof(self, _: str) -> str | None:  # noqa: N802
        return next(iter(self.__dict__), None)


class _ParameterBinding(_Message):
    def WhichOneof(self, _: str) -> str:  # noqa: N802
        return "data"


class _StatusResult(_Message):
    Failure = 0
    Success = 1
    Cancelled = 2


class _BindingInfo(_Message):
    undefined = 0
    out = 1
    inout = 2


class _RpcHttpCookie(_Message):
    SameSite = type("SameSite", (), {"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})


class _Messages:
    """The message classes, which the library asks for by name."""

    TypedData = _TypedData
    ParameterBinding = _ParameterBinding
    StatusResult = _StatusResult
    BindingInfo = _BindingInfo
    RpcHttpCookie = _RpcHttpCookie

    def __getattr__(self, name: str) -> type[_Message]:
        return _Message


_MESSAGES = _Messages()


def _event(**request: Any) -> _Message:
    properties = {"host": "127.0.0.1", "protos": _MESSAGES}
    return _Message(request=_Message(**request), properties=properties)


class _Without:
    """Stands before the importers and refuses one module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, *_: Any) -> None:
        if name == self._name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main(folder: str, without: str) -> None:
    """The worker side: index the app, then answer a line of standard input with one of output."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO)
    sys.path.insert(0, folder)
    sys.meta_path.insert(0, _Without(without))
    asyncio.run(_work(folder, lines))


async def _work(folder: str, lines: IO[str]) -> None:
    import azure_functions_runtime as runtime

    def tell(value: Any) -> None:
        lines.write(json.dumps(value) + "\n")
        lines.flush()

    runtime.start_threadpool_executor()
    request = _Message(capabilities={}, function_app_directory=folder)
    indexed = await runtime.worker_init_request(_event(worker_init_request=request))
    if indexed.result.status != _StatusResult.Success:
        tell({"error": str(indexed.result.exception.message)})
        return
    listed = await runtime.functions_metadata_request(_event())
    tell(
        {
            "server": indexed.capabilities.get("HttpUri"),
            "functions": [
                {
                    "id": function.function_id,
                    "name": function.name,
                    "bindings": [json.loads(binding) for binding in function.raw_bindings],
                }
                for function in listed.function_metadata_results
            ],
        }
    )
    while line := await asyncio.to_thread(sys.stdin.readline):
        tell(await _invoke(runtime, json.loads(line)))


async def _invoke(runtime: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    http = _Message(
        method=given.get("method", ""),
        url=given.get("url", ""),
        headers=given.get("headers", {}),
        params=given["params"],
        query=given.get("query", {}),
        body=_TypedData(bytes=base64.b64decode(given.get("body", ""))),
    )
    binding = _ParameterBinding(name=given["parameter"], data=_TypedData(http=http))
    response = await runtime.invocation_request(
        _event(
            invocation_request=_Message(
                invocation_id=given["id"],
                function_id=given["function"],
                trigger_metadata={},
                input_data=[binding],
                trace_context=_Message(trace_parent="", trace_state="", attributes={}),
                retry_context=_Message(retry_count=0, max_retry_count=0),
            )
        )
    )
    if response.result.status != _StatusResult.Success:
        return {"error": str(response.result.exception.message)}
    if response.return_value is None:
        return {}
    answer = response.return_value.http
    return {
        "status": int(answer.status_code),
        "headers": dict(answer.headers),
        "body": base64.b64encode(answer.body.bytes or b"").decode(),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
