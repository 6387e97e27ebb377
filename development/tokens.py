"""Tokens shaped like Entra's: access tokens of version 1 and 2, ID tokens, `client_info`."""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from development.directory import Client, User
from development.registration import Registration
from development.scopes import Resource
from development.signing_keys import SigningKeys
from shared.configuration.entra import DEVELOPMENT_TENANT

LIFETIME = 75 * 60
"""Seconds an access token is good for; Entra's live between 60 and 90 minutes."""

Proof = Literal["0", "1", "2"]
"""How a client proved itself: not at all, with a secret, with a certificate (Entra's `azpacr`)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person let a client have: the resource's scopes, and those of OpenID Connect.

    `contexts` are the authentication contexts (`acrs`) the person has satisfied.
    """

    client: Client
    user: User
    resource: Resource
    scopes: tuple[str, ...]
    oidc: frozenset[str]
    nonce: str | None = None
    contexts: tuple[str, ...] = ()


class Mint:
    """Makes and signs the tokens of one tenant.

    `base` is the identity's own URL; the issuers are below it, whatever address a request came to.
    """

    def __init__(
        self, base: str, registration: Registration, keys: SigningKeys, now: Callable[[], float]
    ) -> None:
        self.keys = keys
        self.now = now
        self.issuers = {
            1: f"{base}/{DEVELOPMENT_TENANT}/",
            2: f"{base}/{DEVELOPMENT_TENANT}/v2.0",
        }
        self._registration = registration

    def for_user(self, grant: Grant, proof: Proof) -> str:
        """An access token with which a client acts for a person."""
        version = self._version(grant.resource)
        user, login = grant.user, grant.user.login
        names = (
            {"preferred_username": login}
            if version == 2
            else {"upn": login, "unique_name": login, "amr": ["pwd"]}
        )
        roles = self._registration.roles_of(user) if grant.resource.kind == "api" else ()
        return self._access_token(
            grant.resource,
            grant.client,
            proof,
            {
                "name": user.name,
                "oid": user.object_id,
                "sub": user.subject(grant.resource.id),
                "scp": " ".join(grant.scopes),
                **names,
                **({"roles": list(roles)} if roles else {}),
                **({"acrs": list(grant.contexts)} if grant.contexts else {}),
            },
        )

    def for_application(self, resource: Resource, client: Client, proof: Proof) -> str:
        """An access token with which a client acts for itself. It has no `scp`."""
        roles = self._registration.roles_of(client) if resource.kind == "api" else ()
        marked = "idtyp" in self._registration.optional_claims
        return self._access_token(
            resource,
            client,
            proof,
            {
                "oid": client.object_id,
                "sub": client.object_id,
                **({"roles": list(roles)} if roles else {}),
                **({"idtyp": "app"} if marked else {}),
            },
        )

    def id_token(self, grant: Grant) -> str:
        """Who signed in, for the client itself (OpenID Connect Core section 2)."""
        user = grant.user
        claims = {
            "aud": grant.client.id,
            "sub": user.subject(grant.client.id),
            "oid": user.object_id,
            "ver": "2.0",
            **({"nonce": grant.nonce} if grant.nonce else {}),
        }
        if "profile" in grant.oidc:
            claims |= {"name": user.name, "preferred_username": user.login}
        if "email" in grant.oidc:
            claims["email"] = user.login
        return self.keys.sign(self._dated(2) | claims)

    def _access_token(
        self, resource: Resource, client: Client, proof: Proof, claims: dict[str, Any]
    ) -> str:
        version = self._version(resource)
        party = ("azp", "azpacr") if version == 2 else ("appid", "appidacr")
        return self.keys.sign(
            self._dated(version)
            | claims
            | {
                "aud": self._audience(resource, version),
                party[0]: client.id,
                party[1]: proof,
                "uti": secrets.token_urlsafe(16),
                "ver": f"{version}.0",
            },
            thumbprint=version == 1,
        )

    def _dated(self, version: int) -> dict[str, Any]:
        now = int(self.now())
        return {
            "iss": self.issuers[version],
            "tid": DEVELOPMENT_TENANT,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
        }

    def _version(self, resource: Resource) -> int:
        """The resource decides, not the endpoint that was asked. Azure's own take version 1."""
        versions = {"api": self._registration.token_version, "exchange": 2}
        return versions.get(resource.kind, 1)

    def _audience(self, resource: Resource, version: int) -> str:
        if resource.kind == "api" and version == 2:
            return self._registration.audience or resource.id
        return resource.uri


def client_info(user: User) -> str:
    """Who signed in, as MSAL reads it to name the account."""
    value = {"uid": user.object_id, "utid": DEVELOPMENT_TENANT}
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
