"""An HTTP server on loopback before the stand-in for the Functions host, one request at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from tests.functions_host.host import FunctionsHost


@contextmanager
def fronted(host: FunctionsHost) -> Iterator[str]:
    """Serve an app that does not stream until the block ends; the URL before the routes."""
    one_at_a_time = Lock()

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            # The host has a name of its own and says how long the body is.
            headers = [item for item in self.headers.items() if item[0].lower() != "host"]
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with one_at_a_time:
                reply = host.request(self.command, self.path, headers, body)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                if name != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: paths are no news and keys no matter for a log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()
