"""The endpoint's own application at Entra, by MSAL: exchanges users' tokens and gets its own.

MSAL is synchronous: it runs in threads of its own, never on the event loop, and is waited for only
so long. Its memories are off: the one of tokens holds everybody's, and the one of responses would
repeat a refusal for a minute after its reason is mended. `TokenCache` is the memory.
"""

import asyncio
import functools
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from shared.configuration.outbound import Application
from shared.credential import CredentialRefused
from shared.credentials import entra_errors
from shared.credentials.client_authentication import ClientAuthentication, Proof
from shared.credentials.single_flight import SingleFlight
from shared.credentials.tokens import Token, Wanted

if TYPE_CHECKING:
    from shared.credentials.entra_http import EntraHttp

T = TypeVar("T")

TIMEOUT = 20.0
"""Seconds until Entra is no longer waited for."""
_THREADS = 16
_MOST_APPS = 64
_log = logging.getLogger("postern.credentials")


class Reach(NamedTuple):
    """Where a sign-in host is really reached: at `instance`, trusting the authorities in a file.

    For the development identity, whose https has an address and a certificate of its own.
    """

    instance: str
    trusted: Path


class EntraApp:
    """One app registration. `clock` is in seconds since the epoch."""

    def __init__(
        self,
        application: Application,
        authentication: ClientAuthentication,
        *,
        reach: Reach | None = None,
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.client_id = application.client_id
        self._shown = application.instance
        self.instance = reach.instance if reach else application.instance
        self._trusted = str(reach.trusted) if reach else None
        self._authentication = authentication
        self._timeout = timeout
        self._clock = clock
        self._http: EntraHttp | None = None
        self._http_lock = Lock()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="postern-entra")
        self._apps: OrderedDict[tuple[str, bool, str], Any] = OrderedDict()
        self._building: SingleFlight[tuple[str, bool, str], Any] = SingleFlight()

    def authority(self, tenant: str) -> str:
        """A tenant's sign-in URL, as people know it."""
        return f"{self._shown}/{tenant}"

    async def on_behalf_of(self, assertion: str, tenant: str, wanted: Wanted) -> Token:
        """A token for the user an access token was issued to. Raises CredentialRefused.

        Does not check the assertion: Entra does.
        """

        def exchange(app: Any) -> Any:
            return app.acquire_token_on_behalf_of(
                assertion, list(wanted.scopes), claims_challenge=wanted.claims
            )

        result = await self._acquire(exchange, tenant, wanted)
        if "access_token" not in result:
            raise entra_errors.refusal_on_behalf(
                result, self.client_id, self.authority(tenant), wanted.resource
            )
        return self._token(result)

    async def for_itself(self, tenant: str, wanted: Wanted) -> Token:
        """A token for the application. Raises CredentialRefused."""

        def get(app: Any) -> Any:
            return app.acquire_token_for_client(list(wanted.scopes), claims_challenge=wanted.claims)

        result = await self._acquire(get, tenant, wanted)
        if "access_token" not in result:
            raise entra_errors.refusal(result, self.client_id, wanted.resource)
        return self._token(result)

    def _token(self, result: Mapping[str, Any]) -> Token:
        lifetime = float(result.get("expires_in", 0))
        return Token(result["access_token"], self._clock() + lifetime)

    async def _acquire(
        self, ask: Callable[[Any], Any], tenant: str, wanted: Wanted
    ) -> Mapping[str, Any]:
        """What Entra answered: a token, or why there is none, which the log tells too."""
        if not self.instance.startswith("https://"):
            raise CredentialRefused(
                f"Tokens are exchanged over https only, and {self.instance} is not. With the "
                "development identity that manage.py run serves itself, it works."
            )
        try:
            async with asyncio.timeout(self._timeout):
                proof = await self._authentication.current()
                result = await self._ask(ask, tenant, wanted, proof)
                if "access_token" not in result and entra_errors.blames_credential(result):
                    newer = await self._authentication.renewed()
                    if newer.version != proof.version:
                        result = await self._ask(ask, tenant, wanted, newer)
        except TimeoutError:
            text = f"Entra ID did not answer within {self._timeout:g} seconds; try again."
            raise CredentialRefused(text) from None
        if "access_token" not in result:
            _log.warning(
                "Entra ID refused a token for %s: %s, AADSTS%s (trace %s, correlation %s)",
                wanted.resource,
                result.get("error"),
                entra_errors.code_of(result),
                result.get("trace_id"),
                result.get("correlation_id"),
            )
        return result

    async def _ask(
        self, ask: Callable[[Any], Any], tenant: str, wanted: Wanted, proof: Proof
    ) -> Mapping[str, Any]:
        app = await self._app(tenant, wanted.enable_cae, proof)
        result: Mapping[str, Any] = await self._in_thread(functools.partial(ask, app))
        return result

    async def _app(self, tenant: str, cae: bool, proof: Proof) -> Any:
        """MSAL's application for a tenant: made once, which fetches the tenant's metadata."""
        key = (tenant, cae, proof.version)
        if key not in self._apps:
            made = await self._building.do(
                key, lambda: self._in_thread(lambda: self._build(tenant, cae, proof))
            )
            self._apps[key] = made
            while len(self._apps) > _MOST_APPS:
                self._apps.popitem(last=False)
        self._apps.move_to_end(key)
        return self._apps[key]

    def _build(self, tenant: str, cae: bool, proof: Proof) -> Any:
        import msal

        from shared.credentials.entra_http import EntraHttp

        with self._http_lock:
            self._http = self._http or EntraHttp(self._trusted)

        class NoTokenCache(msal.TokenCache):  # type: ignore[misc]
            def add(self, event: Any, now: Any = None) -> None:
                """Keep nothing."""

        class NoHttpCache(dict[str, Any]):
            def __setitem__(self, key: str, value: Any) -> None:
                """Keep nothing."""

        return msal.ConfidentialClientApplication(
            self.client_id,
            client_credential=proof.for_msal,
            authority=f"{self.instance}/{tenant}",
            # The host comes from the configuration and the tenant from a verified token.
            instance_discovery=False,
            http_client=self._http,
            token_cache=NoTokenCache(),
            http_cache=NoHttpCache(),
            client_capabilities=["cp1"] if cae else None,
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do blocking work in the pool; what can go wrong there becomes a CredentialRefused."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._guarded, work)

    def _guarded(self, work: Callable[[], T]) -> T:
        import requests

        from shared.credentials.entra_http import Busy

        try:
            return work()
        except Busy as busy:
            wait = busy.retry_after
            text = f"Entra ID is busy ({busy}); try again in {wait:g} seconds."
            raise CredentialRefused(text, wait) from None
        except requests.RequestException as error:
            _log.warning("Entra ID cannot be reached: %s", type(error).__name__)
            text = (
                f"Entra ID cannot be reached at {self.instance}. For the endpoint's operator: is "
                "there a network, a proxy, a certificate that is not trusted?"
            )
            raise CredentialRefused(text) from None
        except ValueError as error:
            # MSAL's word for a tenant without metadata, and for an answer that is no JSON.
            _log.warning("MSAL could not use what Entra ID said: %s", type(error).__name__)
            text = f"Entra ID at {self.instance} did not answer as expected. Is the tenant right?"
            raise CredentialRefused(text) from None

    def close(self) -> None:
        """Let the threads end; what they still wait for is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._http is not None:
            self._http.close()
