"""The API's application registration: the endpoint, as the tenant knows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from development.directory import CLIENTS, WORKLOAD_OBJECT, Client, User
from shared.configuration.entra import DEVELOPMENT_CLIENT_ID

API_SECRET = "development-only-secret-of-the-api"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Registration:
    """The API's application registration, as the tenant holds it.

    `identifier_uris` are its App ID URIs; the first scope is the one everybody consented to.
    `roles` can be assigned to users and applications; an application is also assigned an app role
    of each scope's own name. `token_version` is Entra's `requestedAccessTokenVersion`: 1 or 2.
    `audience` replaces the client id as the `aud` of v2 tokens, which Entra never does.
    `optional_claims` may hold `idtyp`. `unconsented` are downstream resources nobody consented to.
    """

    client_id: str = DEVELOPMENT_CLIENT_ID
    identifier_uris: tuple[str, ...] = (f"api://{DEVELOPMENT_CLIENT_ID}",)
    scopes: tuple[str, ...] = ("access_as_user",)
    roles: tuple[str, ...] = ()
    token_version: Literal[1, 2] = 2
    audience: str | None = None
    optional_claims: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = field(default=(API_SECRET,), repr=False)
    certificates: tuple[str, ...] = field(default=(), repr=False)
    federated: tuple[str, ...] = (WORKLOAD_OBJECT,)
    unconsented: frozenset[str] = frozenset({"https://unconsented.azure.com"})

    @property
    def application_roles(self) -> tuple[str, ...]:
        """The app roles an application can hold."""
        return tuple(dict.fromkeys((*self.roles, *self.scopes)))

    def client(self, client_id: str) -> Client | None:
        """The application of that id: one of the tenant's, or the API itself."""
        wanted = client_id.lower()
        if wanted == self.client_id:
            return Client(wanted, "The API", self.secrets, self.certificates, self.federated)
        return next((client for client in CLIENTS if client.id == wanted), None)

    def roles_of(self, holder: User | Client) -> tuple[str, ...]:
        """The app roles of the API that a user or an application is assigned."""
        if not holder.privileged:
            return ()
        return self.roles if isinstance(holder, User) else self.application_roles

    def consented(self, user: User, scopes: Sequence[str]) -> tuple[str, ...]:
        """Those of the API's scopes that a user has consented to."""
        held = self.scopes if user.consented == "all" else self.scopes[:1]
        return tuple(scope for scope in scopes if scope in held)
