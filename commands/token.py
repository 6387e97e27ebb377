"""`manage.py token`: an access token from the development identity, by a real OAuth flow."""

import base64
import hashlib
import http.client
import json
import secrets
from argparse import ArgumentParser, Namespace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from commands import port, print_json, tell
from development.directory import AGENT, DAEMON, DAEMON_SECRET, SHORT_NAMES, USERS, user_named
from shared.http import is_loopback

METADATA_PATH = "/.well-known/oauth-protected-resource"
_REDIRECT_URI = "http://localhost/signed-in"
_SECONDS = 15
_MOST = 1024 * 1024


class Refused(Exception):
    """There is no token, and why."""


def configure(parser: ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--user", default=USERS[0].login, help=f"sign in as one of: {SHORT_NAMES}")
    who.add_argument("--app", action="store_true", help="a token of an application, without a user")
    parser.add_argument(
        "--scope",
        action="append",
        default=[],
        metavar="S",
        help="ask for this scope only, long or short; may be repeated (default: all there is)",
    )
    parser.add_argument(
        "--port", type=port, default=7071, help="where the endpoint listens (default 7071)"
    )
    parser.set_defaults(main=main)


def main(arguments: Namespace) -> int:
    user = user_named(arguments.user)
    if user is None:
        tell(f"There is no user {arguments.user}. There are: {SHORT_NAMES}.")
        return 2
    if arguments.app and arguments.scope:
        tell("--scope is for users; an application gets every app role it has.")
        return 2
    try:
        resource = _get(f"http://127.0.0.1:{arguments.port}{METADATA_PATH}")
        server = _server(resource)
        asked = _asked(resource, arguments.scope)
        if arguments.app:
            given = _of_application(server, asked)
        else:
            given = _of_user(server, asked, str(resource["resource"]), user.login)
        token = given["access_token"]
    except Refused as refused:
        tell(str(refused))
        return 1
    except (LookupError, TypeError):
        tell("What was answered is not what an OAuth server answers.")
        return 1
    if arguments.json:
        kept = ("access_token", "token_type", "expires_in", "scope")
        print_json({name: given[name] for name in kept if name in given})
    else:
        whose = "the daemon application" if arguments.app else user.name
        tell(f"A token of {whose} for {given.get('expires_in', 0) // 60} minutes:")
        print(token)
    return 0


def _server(resource: Any) -> Any:
    """The metadata of the endpoint's authorization server (RFC 8414, OpenID Connect Discovery)."""
    issuer = str(resource["authorization_servers"][0]).rstrip("/")
    parts = _local(issuer)
    try:
        return _get(f"{issuer}/.well-known/openid-configuration")
    except Refused:
        below = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server"
        return _get(f"{below}{parts.path}")


def _asked(resource: Any, wanted: list[str]) -> list[str]:
    """Full scopes to ask for: those wanted, or everything there is consent to."""
    supported = [str(scope) for scope in resource["scopes_supported"]]
    prefix = supported[0].rpartition("/")[0] if supported else str(resource["resource"])
    if not wanted:
        return [f"{prefix}/.default"]
    return [scope if "/" in scope else f"{prefix}/{scope}" for scope in wanted]


def _of_application(server: Any, asked: list[str]) -> Any:
    return _post(
        server["token_endpoint"],
        {
            "grant_type": "client_credentials",
            "client_id": DAEMON,
            "client_secret": DAEMON_SECRET,
            "scope": " ".join(asked),
        },
    )


def _of_user(server: Any, asked: list[str], resource: str, login: str) -> Any:
    """Authorization code with PKCE. Nobody has to listen: the redirect is read, not followed."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "client_id": AGENT,
        "response_type": "code",
        "redirect_uri": _REDIRECT_URI,
        "scope": " ".join(asked),
        "resource": resource,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        "prompt": "none",
        "login_hint": login,
    }
    status, headers, body = _exchange(
        "GET", f"{server['authorization_endpoint']}?{urlencode(query)}"
    )
    location = headers.get("location", "")
    if status not in (302, 303) or not location.startswith(f"{_REDIRECT_URI}?"):
        raise Refused(f"Sign-in was refused ({status}): {_told(body)}")
    answer = dict(parse_qsl(urlsplit(location).query))
    if answer.get("state") != state:
        raise Refused("The answer belongs to another sign-in.")
    if "code" not in answer:
        raise Refused(answer.get("error_description") or answer.get("error") or "No code came.")
    return _post(
        server["token_endpoint"],
        {
            "grant_type": "authorization_code",
            "client_id": AGENT,
            "code": answer["code"],
            "redirect_uri": _REDIRECT_URI,
            "code_verifier": verifier,
            "resource": resource,
        },
    )


def _get(url: str) -> Any:
    return _json(url, *_exchange("GET", url))


def _post(url: str, form: dict[str, str]) -> Any:
    return _json(url, *_exchange("POST", url, urlencode(form)))


def _json(url: str, status: int, _: dict[str, str], body: bytes) -> Any:
    at = url.partition("?")[0]
    if status != 200:
        raise Refused(f"{at} answered {status}: {_told(body)}")
    try:
        return json.loads(body)
    except ValueError:
        raise Refused(f"{at} did not answer with JSON.") from None


def _told(body: bytes) -> str:
    """What an error answer says, as far as it is short."""
    try:
        error = json.loads(body)
        nested = error.get("error")
        told = error.get("error_description") or (
            nested.get("message") if isinstance(nested, dict) else nested
        )
    except (ValueError, AttributeError):
        told = None
    return str(told or body[:200].decode(errors="replace")).strip()


def _local(url: str) -> Any:
    """The parts of a URL on this machine. Raises Refused for any other."""
    try:
        parts = urlsplit(url)
        local = parts.scheme == "http" and is_loopback(parts.hostname or "") and parts.port != 0
    except ValueError:
        raise Refused("The authorization server's URL is malformed.") from None
    if not local:
        raise Refused(
            f"{parts.scheme}://{parts.netloc} is not the development identity: this verb talks "
            "plain http to this machine only. Get tokens of Entra ID with its own tools (az, MSAL)."
        )
    return parts


def _exchange(method: str, url: str, body: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """One request to this machine: no proxy, no redirect followed, all of it within limits."""
    parts = _local(url)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_SECONDS)
    try:
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return response.status, received, response.read(_MOST)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        hint = " Is the endpoint running (make run)?" if METADATA_PATH in url else ""
        raise Refused(f"Nothing answers at {parts.netloc}: {reason}.{hint}") from None
    finally:
        connection.close()
