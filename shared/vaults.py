"""Which vaults the endpoint reads, and as whom: for keys, the kill switch and references."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from shared.authorization.deny import Read
from shared.configuration.load import HOSTED
from shared.configuration.model import DenySecret
from shared.configuration.references import Failed, Reference
from shared.key_vault import Vaults, developer_identity, managed_identity
from shared.refreshing import FetchFailed
from shared.vault_errors import VaultError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


def identity_for(environment: Mapping[str, str]) -> Callable[[], "AsyncTokenCredential"]:
    """As whom a process with this environment reads vaults.

    Where Azure or Kubernetes runs it, its managed (or workload) identity: the user-assigned one
    named in AZURE_CLIENT_ID. Elsewhere whoever is signed in, or the variables of a service
    principal.
    """
    if any(environment.get(name) for name in HOSTED):
        return lambda: managed_identity(environment.get("AZURE_CLIENT_ID") or None)
    return developer_identity


def deny_reader(vaults: Vaults, secret: DenySecret | None) -> Read | None:
    """What reads the secret with more of the kill switch's lists."""
    if secret is None:
        return None
    vault = vaults.open(secret.vault_uri)

    async def read() -> str:
        try:
            return (await vault.get(secret.name)).value
        except VaultError as error:
            raise FetchFailed(str(error), getattr(error, "retry_after", 0.0)) from error

    return read


def resolve(
    make: Callable[[], Vaults], references: Iterable[Reference]
) -> Mapping[Reference, str | Failed]:
    """What references stand for, read through vaults that are closed again.

    Works with and without a running event loop: it has one of its own, in a thread.
    """

    async def one(vaults: Vaults, reference: Reference) -> str | Failed:
        try:
            vault = vaults.open(reference.vault_uri)
            return (await vault.get(reference.name, reference.version)).value
        except VaultError as error:
            return Failed(str(error))

    async def every() -> dict[Reference, str | Failed]:
        wanted = list(references)
        vaults = make()
        try:
            values = await asyncio.gather(*(one(vaults, reference) for reference in wanted))
        finally:
            await vaults.close()
        return dict(zip(wanted, values, strict=True))

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(every())).result()
