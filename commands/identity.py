"""`manage.py identity`: the development identity alone, for an endpoint that runs elsewhere."""

import logging
import socket
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from commands import FOLDER, environment, leave, port, print_json, tell, tell_problems
from commands.config import write_development_profile
from development import directory, serving
from development.from_configuration import registration_for
from development.identity import TENANT
from development.private_files import NotPrivate
from development.serving import NotDevelopment, Served
from shared import startup
from shared.configuration.entra import DEVELOPMENT_IDENTITY_PORT
from shared.configuration.problems import ConfigurationError
from shared.hosting import uvicorn_server
from shared.http import is_loopback
from shared.startup import Offer

HOST = "127.0.0.1"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--port",
        type=port,
        default=DEVELOPMENT_IDENTITY_PORT,
        help=f"0 takes a free one (default {DEVELOPMENT_IDENTITY_PORT})",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="register the API as this configuration of the endpoint needs it",
    )
    parser.set_defaults(main=main)


def main(arguments: Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    variables = environment(development=True)
    try:
        # Before anything is written or bound, where it must not run at all.
        serving.refuse_outside_development(variables, HOST)
        if arguments.config is None:
            write_development_profile()
        listener = uvicorn_server.listen(HOST, arguments.port)
    except (NotDevelopment, uvicorn_server.CannotListen, OSError) as error:
        tell(str(error))
        return 1
    base = base_of(listener)
    try:
        offer = startup.offer(
            FOLDER, variables, config_file=arguments.config, loopback=True, identity=base
        )
        served = serving.start(FOLDER, variables, registration_for(offer), listener)
    except (ConfigurationError, NotDevelopment, NotPrivate, OSError) as error:
        listener.close()
        tell_problems(error.problems) if isinstance(error, ConfigurationError) else tell(str(error))
        return 1
    try:
        if arguments.json:
            print_json(described(served))
        else:
            print(_told(served), flush=True)
        while served.thread.is_alive():
            served.thread.join(1)  # Not for ever: Ctrl-C in the moment before would go unnoticed.
    except KeyboardInterrupt:
        tell("Stopped.")
        return leave(0)
    return leave(1)


def base_of(listener: socket.socket) -> str:
    """The URL of a listener on this machine."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


def wanted_base(offer: Offer) -> str | None:
    """Where an endpoint expects the development identity, as its URL; None when it expects none.

    That is any authority on this machine over http, with the invented tenant.
    """
    scheme = offer.settings.authentication.entra
    if scheme is None:
        return None
    parts = urlsplit(scheme.authority)
    if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
        return None
    return f"http://{parts.netloc}" if parts.path == f"/{TENANT}" else None


def described(served: Served) -> dict[str, Any]:
    """What an identity offers, for `--json`. Its secrets are worth nothing elsewhere."""
    registration = served.identity.registration
    return {
        "authority": served.authority,
        "secureAuthority": served.secure_authority,
        "certificateAuthority": str(served.certificate_authority),
        "api": {
            "clientId": registration.client_id,
            "identifierUris": list(registration.identifier_uris),
            "scopes": list(registration.scopes),
            "roles": list(registration.application_roles),
            "secret": registration.secrets[0],
        },
        "users": [
            {"login": user.login, "name": user.name, "about": user.about}
            for user in directory.USERS
        ],
        "clients": [
            {"clientId": client.id, "name": client.name, "secret": next(iter(client.secrets), None)}
            for client in directory.CLIENTS
        ],
    }


def _told(served: Served) -> str:
    told = described(served)
    api = told["api"]
    users = "\n".join(f"  {user['login']:<24}{user['about']}" for user in told["users"])
    clients = "\n".join(
        f"  {client['clientId']}  {client['name']}"
        + (f" (secret {client['secret']})" if client["secret"] else "")
        for client in told["clients"]
    )
    return f"""
The development identity signs in invented users of an invented tenant, on this machine only.
Authority   {told["authority"]}
  for MSAL  {told["secureAuthority"]}
            with REQUESTS_CA_BUNDLE={told["certificateAuthority"]}
The API     {api["clientId"]} (secret {api["secret"]})
  known as  {" ".join(api["identifierUris"])}
  scopes    {" ".join(api["scopes"])}
  roles     {" ".join(api["roles"])}
Users
{users}
Applications
{clients}

A token of the daemon, while an endpoint uses this identity: ./manage.py token --app
or without one:
  curl -d grant_type=client_credentials -d client_id={directory.DAEMON} \\
    -d client_secret={directory.DAEMON_SECRET} \\
    -d scope={api["identifierUris"][0]}/.default {told["authority"]}/oauth2/v2.0/token

Ctrl-C stops it."""
