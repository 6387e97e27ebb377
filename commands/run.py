"""`manage.py run`: the endpoint on this machine, in development mode."""

import json
import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from commands import FOLDER, environment, leave, port, print_json, tell, tell_problems
from commands.config import write_development_profile
from commands.identity import HOST, base_of, wanted_base
from development import serving
from development.directory import AGENT, SHORT_NAMES
from development.from_configuration import registration_for
from development.private_files import NotPrivate
from development.serving import NotDevelopment, Served
from shared import startup
from shared.configuration import load
from shared.configuration.problems import ConfigurationError
from shared.credentials.by_caller import Around
from shared.credentials.entra_app import Reach
from shared.hosting import uvicorn_server


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="read this file instead of the appsettings"
    )
    parser.add_argument("--port", type=port, default=7071, help="0 takes a free one (default 7071)")
    parser.add_argument(
        "--no-identity",
        action="store_true",
        help="do not serve the development identity (manage.py identity serves it alone)",
    )
    parser.add_argument(
        "--use-my-azure-login",
        action="store_true",
        help="let tools call Azure as whoever is signed in on this machine (az login)",
    )
    parser.set_defaults(main=main)


def main(arguments: Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    if arguments.config is None:
        write_development_profile()
    try:
        listener = uvicorn_server.listen(HOST, arguments.port)
    except uvicorn_server.CannotListen as error:
        tell(f"{error} Choose another with --port (make run PORT=…); 0 takes a free one.")
        return 1
    number = listener.getsockname()[1]
    variables = environment(development=True)
    where = load.Where(
        config_file=arguments.config,
        loopback=True,
        port=number,
        use_azure_login=arguments.use_my_azure_login,
    )
    try:
        offer, served = _offer(variables, where, arguments)
        endpoint = startup.endpoint_of(offer, loopback=True, around=_around(served))
    except ConfigurationError as error:
        listener.close()
        tell_problems(error.problems)
        return 1
    except (NotDevelopment, NotPrivate, uvicorn_server.CannotListen, OSError) as error:
        listener.close()
        tell(f"The development identity cannot be served (--no-identity leaves it out). {error}")
        return 1
    url = f"http://{HOST}:{number}{load.MCP_PATH}"
    scheme = next(iter(offer.settings.authentication.key_schemes), None)
    key = None if arguments.config or scheme is None else development_key()
    header = scheme.header if scheme else None

    def announce() -> None:
        if arguments.json:
            print_json(
                {
                    "url": url,
                    "keyFile": load.DEVELOPMENT_FILE if key else None,
                    "authority": served.authority if served else None,
                    "secureAuthority": served.secure_authority if served else None,
                    "certificateAuthority": str(served.certificate_authority) if served else None,
                    "clientId": AGENT if served else None,
                }
            )
        else:
            print(_how_to_call(url, header, key, served), flush=True)

    try:
        uvicorn_server.serve(endpoint, listener, announce)
    except KeyboardInterrupt:
        tell("Stopped.")
    return leave(0)


def _offer(
    variables: Mapping[str, str], where: load.Where, arguments: Namespace
) -> tuple[startup.Offer, Served | None]:
    """What the configuration comes to, and the development identity where it expects one.

    The identity's port is taken before the configuration is read, which may name it.
    """
    if arguments.no_identity:
        return startup.offer(FOLDER, variables, **where), None
    port = where["port"] if arguments.port else None
    beside = serving.listen_near(HOST, port + 1 if port else 0)
    try:
        where["identity"] = base_of(beside)
        offer = startup.offer(FOLDER, variables, **where)
        base = wanted_base(offer)
        if base is None:
            beside.close()
            return offer, None
        if base != base_of(beside):
            beside.close()
            beside = uvicorn_server.listen(HOST, urlsplit(base).port or 80)
        return offer, serving.start(FOLDER, variables, registration_for(offer), beside, base)
    except BaseException:
        beside.close()
        raise


def _around(served: Served | None) -> Around:
    """How outbound credentials reach the development identity: MSAL takes https only."""
    reach = {}
    if served is not None:
        secure = Reach(served.secure_base, served.certificate_authority)
        reach[served.identity.base] = secure
    return Around(development=True, reach=reach)


def development_key() -> str | None:
    """The first key of the development profile."""
    path = FOLDER / load.DEVELOPMENT_FILE
    node, _ = load.tree(FOLDER, environment(development=True), path)
    for name in ("Authentication", "Schemes", "ApiKey", "Keys"):
        child = node.member(name)
        if child is None:
            return None
        node = child
    return next(iter(node.value), None)


def _how_to_call(url: str, header: str | None, key: str | None, served: Served | None) -> str:
    """What to paste. Without `header` no keys are taken; a `key` of a file of one's own is not
    shown."""
    known = f"{key}   (header {header}; development only)"
    own = f"one of those in your configuration (header {header})"
    line = f"API key: {known if key else own}\n" if header else ""
    value = key or "YOUR-KEY" if header else "Bearer YOUR-TOKEN"
    header = header or "Authorization"
    vscode = {"servers": {"postern": {"type": "http", "url": url, "headers": {header: value}}}}
    message = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami"}}'
    return f"""
Postern listens on {url}
{line}
curl
  curl -H '{header}: {value}' -H 'Content-Type: application/json' \\
    -d '{message}' {url}

VS Code (.vscode/mcp.json)
  {json.dumps(vscode)}
Claude Code
  claude mcp add --transport http postern {url} --header '{header}: {value}'

MCP Inspector (Node 22.19 or newer)
  npx @modelcontextprotocol/inspector@latest --cli {url} --transport http \\
    --header '{header}: {value}' --method tools/list
{_how_to_sign_in(url, served) if served else ""}
Ctrl-C stops it."""


def _how_to_sign_in(url: str, served: Served) -> str:
    option = f" --port {urlsplit(url).port}"
    return f"""
Or sign in, at the development identity {served.authority}
  ./manage.py token{option}
prints an access token (--user {SHORT_NAMES}; --app).
A client that signs in needs the URL and the client id {AGENT}.
"""
