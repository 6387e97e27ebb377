"""The identity on sockets, and where it refuses to be."""

import http.client
import json
import socket
import ssl
from pathlib import Path

import jwt
import pytest

from development import serving
from development.identity import TENANT
from development.private_files import NotPrivate
from development.serving import NotDevelopment, Served
from shared.configuration.load import HOSTED
from shared.hosting import uvicorn_server
from tests.development.support import REGISTRATION

DEVELOPMENT = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    project = tmp_path_factory.mktemp("project")
    listener = uvicorn_server.listen("127.0.0.1", 0)
    return serving.start(project, DEVELOPMENT, REGISTRATION, listener)


def test_it_serves_https_beside_http_with_one_issuer(served: Served) -> None:
    path = f"/{TENANT}/v2.0/.well-known/openid-configuration"
    context = ssl.create_default_context(cafile=str(served.certificate_authority))
    found = []
    for scheme, base in (("http", served.identity.base), ("https", served.secure_base)):
        port = int(base.rpartition(":")[2])
        for host in ("127.0.0.1", "localhost"):
            connection = (
                http.client.HTTPConnection(host, port, timeout=30)
                if scheme == "http"
                else http.client.HTTPSConnection(host, port, timeout=30, context=context)
            )
            connection.request("GET", path)
            told = json.loads(connection.getresponse().read())
            connection.close()
            assert told["token_endpoint"].startswith(f"{base}/{TENANT}/")
            found.append(told["issuer"])
    assert set(found) == {f"{served.authority}/v2.0"}


def test_pyjwt_verifies_its_tokens_through_the_published_keys(served: Served) -> None:
    port = int(served.identity.base.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = (
        "grant_type=client_credentials&client_id=de5e1099-0000-4000-8000-0000000000c2"
        "&client_secret=development-only-secret-of-the-daemon&scope=api%3A%2F%2Finvoices%2F.default"
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"/{TENANT}/oauth2/v2.0/token", body, headers)
    token = json.loads(connection.getresponse().read())["access_token"]
    connection.close()
    client = jwt.PyJWKClient(f"{served.authority}/discovery/v2.0/keys")
    claims = jwt.decode(
        token,
        client.get_signing_key_from_jwt(token),
        algorithms=["RS256"],
        audience=REGISTRATION.client_id,
        issuer=f"{served.authority}/v2.0",
        options={"require": ["exp", "iat", "nbf", "iss", "aud", "sub"]},
    )
    assert claims["roles"] == list(REGISTRATION.application_roles)


def test_its_files_are_private_and_its_thread_does_not_keep_the_process(served: Served) -> None:
    folder = served.certificate_authority.parent
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"ca.pem": 0o600, "server.pem": 0o600, "signing-keys.pem": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert served.thread.daemon


def test_a_taken_port_is_stepped_aside_from(served: Served) -> None:
    taken = int(served.identity.base.rpartition(":")[2])
    with serving.listen_near("127.0.0.1", taken) as listener:
        assert listener.getsockname()[1] != taken
    with serving.listen_near("127.0.0.1", 65536) as listener:
        assert listener.getsockname()[1] > 0


def start(project: Path, environment: dict[str, str], listener: socket.socket) -> None:
    with listener:
        serving.start(project, environment, REGISTRATION, listener)


@pytest.mark.parametrize("variable", HOSTED)
def test_it_does_not_start_where_azure_or_kubernetes_runs(tmp_path: Path, variable: str) -> None:
    environment = {**DEVELOPMENT, variable: "x"}
    with pytest.raises(NotDevelopment, match=variable):
        start(tmp_path, environment, uvicorn_server.listen("127.0.0.1", 0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "environment", [{}, {"AZURE_FUNCTIONS_ENVIRONMENT": "Production"}], ids=["unset", "production"]
)
def test_it_does_not_start_outside_development(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(NotDevelopment, match="development mode only"):
        start(tmp_path, environment, uvicorn_server.listen("127.0.0.1", 0))


def test_it_does_not_start_where_others_could_reach_it(tmp_path: Path) -> None:
    everywhere = uvicorn_server.listen("0.0.0.0", 0)  # noqa: S104
    with pytest.raises(NotDevelopment, match="loopback"):
        start(tmp_path, DEVELOPMENT, everywhere)
    assert list(tmp_path.iterdir()) == []


def test_it_does_not_start_with_a_key_others_can_read(tmp_path: Path, served: Served) -> None:
    folder = tmp_path / serving.FOLDER
    folder.mkdir(mode=0o700)
    source = served.certificate_authority.parent / "signing-keys.pem"
    (folder / "signing-keys.pem").write_bytes(source.read_bytes())
    (folder / "signing-keys.pem").chmod(0o644)
    with pytest.raises(NotPrivate):
        start(tmp_path, DEVELOPMENT, uvicorn_server.listen("127.0.0.1", 0))
