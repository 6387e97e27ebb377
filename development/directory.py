"""The invented tenant: its users and its applications."""

import base64
import hashlib
import uuid
from dataclasses import dataclass, field
from typing import Literal

from shared.configuration.entra import DEVELOPMENT_TENANT

_NAMESPACE = uuid.UUID(DEVELOPMENT_TENANT)

AGENT = "de5e1099-0000-4000-8000-0000000000c1"
DAEMON = "de5e1099-0000-4000-8000-0000000000c2"
STRANGER = "de5e1099-0000-4000-8000-0000000000c3"
WORKLOAD = "de5e1099-0000-4000-8000-0000000000c4"
VSCODE = "aebc6443-996d-45c2-90f0-388ff96faa56"

# They open nothing but this identity, which hands out tokens to whoever asks anyway.
DAEMON_SECRET = "development-only-secret-of-the-daemon"  # noqa: S105
STRANGER_SECRET = "development-only-secret-of-the-stranger"  # noqa: S105
WORKLOAD_SECRET = "development-only-secret-of-the-workload"  # noqa: S105


@dataclass(frozen=True, slots=True)
class User:
    """An invented person.

    `consented` says to which of the API's scopes they have consented, `privileged` whether they
    hold its app roles. One who is not `assigned` cannot sign in; one who must `step_up` meets a
    claims challenge when the API acts on their behalf.
    """

    name: str
    about: str
    consented: Literal["all", "first"] = "all"
    privileged: bool = True
    assigned: bool = True
    step_up: bool = False

    @property
    def short_name(self) -> str:
        return self.name.split()[0].lower()

    @property
    def login(self) -> str:
        return f"{self.short_name}@postern.example"

    @property
    def object_id(self) -> str:
        return str(uuid.uuid5(_NAMESPACE, self.login))

    def subject(self, application: str) -> str:
        """The `sub` an application sees: stable, and different for each (pairwise)."""
        digest = hashlib.sha256(f"{self.object_id} {application}".encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


USERS = (
    User("Alma Adler", "may do everything"),
    User("Bruno Berg", "has every scope and no role", privileged=False),
    User("Clara Costa", "consented to the first scope only", consented="first"),
    User("Dario Diaz", "is not assigned to the API: sign-in is refused", assigned=False),
    User(
        "Edith Engel",
        "may do everything, but acting on her behalf needs a second factor",
        step_up=True,
    ),
)
SHORT_NAMES = ", ".join(user.short_name for user in USERS)
"""What `manage.py token --user` takes, to be told."""


def user_named(name: str) -> User | None:
    """The user of that login, first name or full name, in any case."""
    wanted = name.strip().lower()
    for user in USERS:
        if wanted in (user.login, user.name.lower(), user.short_name):
            return user
    return None


@dataclass(frozen=True, slots=True)
class Client:
    """An application that asks for tokens.

    It is public, and may sign users in, when it has no way to prove itself: no secrets, no
    certificates (PEM) and no `federated` subjects, which are those whose tokens for
    api://AzureADTokenExchange speak for it. `privileged` says whether it holds the app roles.
    """

    id: str
    name: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    certificates: tuple[str, ...] = field(default=(), repr=False)
    federated: tuple[str, ...] = ()
    privileged: bool = False

    @property
    def public(self) -> bool:
        return not (self.secrets or self.certificates or self.federated)

    @property
    def object_id(self) -> str:
        """The object id of the application in the tenant, its service principal's."""
        return str(uuid.uuid5(_NAMESPACE, self.id))


CLIENTS = (
    Client(AGENT, "Agents and the command line"),
    Client(VSCODE, "Visual Studio Code"),
    Client(DAEMON, "Daemon with every app role", (DAEMON_SECRET,), privileged=True),
    Client(STRANGER, "Daemon without any app role", (STRANGER_SECRET,)),
    Client(WORKLOAD, "Workload that speaks for the API", (WORKLOAD_SECRET,)),
)
WORKLOAD_OBJECT = next(client.object_id for client in CLIENTS if client.id == WORKLOAD)
