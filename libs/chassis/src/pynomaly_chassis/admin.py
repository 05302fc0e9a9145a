"""/api/v1/admin: settings that are read again and features that are switched, for who has ADMIN_TOKEN.

What is asked of one replica reaches the others by NOTIFY; SIGHUP reads the settings of one process again.
"""

import asyncio
import hmac
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Annotated, Any, Generic

import orjson
import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pynomaly_contracts.admin import ConfigReload, FeatureFlagChanges, FeatureFlags
from sqlalchemy.ext.asyncio import AsyncConnection

from pynomaly_chassis.background import heartbeat
from pynomaly_chassis.configuration import Configuration, Kept, SettingsNotValid
from pynomaly_chassis.database import Database, DatabaseUnavailable
from pynomaly_chassis.flags import Changes, Flags, check_owned
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.json_route import JsonRoute
from pynomaly_chassis.listening import Listener
from pynomaly_chassis.problems import ProblemError

log = structlog.get_logger()
CHANNEL = "pynomaly_admin"
RETRY_S = 1.0
START_S = 5.0
ADMIN_PATH = "/api/v1/admin"
_SCHEME = HTTPBearer(auto_error=False, scheme_name="AdminToken", description="ADMIN_TOKEN of the service.")


class AdminClosed(ProblemError):
    """Nobody was given the right to change this service while it runs."""

    status, type, title = 403, "/problems/admin-closed", "Admin routes are closed"


class AdminRefused(ProblemError):
    """The request lacks the token, or has another one."""

    status, type, title = 401, "/problems/admin-token", "Admin token is needed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers = {"www-authenticate": 'Bearer realm="pynomaly-admin"'}


class Admin(Generic[Kept]):
    """What an operator asks of one process; in it and, where that is said, in its replicas."""

    def __init__(self, configuration: Configuration[Kept], flags: Flags, database: Database) -> None:
        self._configuration, self.flags, self._database = configuration, flags, database
        self.live = configuration.live
        self._own, self._flags_changed = str(new_id()), asyncio.Event()
        self._reload_wanted, self._wanted_by = asyncio.Event(), ""

    def check(self, token: str | None) -> None:
        """Raises AdminClosed where there is no ADMIN_TOKEN, AdminRefused where this is not it."""
        if self.live.now.admin_token is None:
            raise AdminClosed("set ADMIN_TOKEN, of 32 characters or more, and send it as `Authorization: Bearer`")
        if not self.is_token(token):
            raise AdminRefused("send `Authorization: Bearer ADMIN_TOKEN`, with the token that the service was given")

    def is_token(self, said: str | None) -> bool:
        """Takes as long for a token that is nearly right."""
        token = self.live.now.admin_token
        if token is None or said is None:
            return False
        return hmac.compare_digest(said.encode(), token.get_secret_value().encode())

    def is_bearer_of_token(self, authorization: str) -> bool:
        """Whether a header's value is `Bearer ADMIN_TOKEN`."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and self.is_token(token.strip())

    async def reload(self) -> ConfigReload:
        """Here, then, where that went well, in every replica. Raises SettingsNotValid."""
        answer = await self._configuration.reload("request")
        try:
            async with self._database.transaction() as connection:
                await self._tell(connection, "reload")
        except DatabaseUnavailable as error:
            log.warning("config.replicas_not_told", error=str(error))
        return answer

    async def change(self, wanted: FeatureFlagChanges) -> FeatureFlags:
        """All of it or nothing, here and in every replica. Raises NotHeeded, DatabaseUnavailable."""
        check_owned(wanted, (self.flags.service,))

        async def write(connection: AsyncConnection) -> Changes:
            await self.flags.store(connection, wanted)
            await self._tell(connection, "flags")
            return await self.flags.stored(connection)

        self.flags.adopt(await self._database.run(write))  # read before the commit: after it nothing can fail
        log.info("flags.changed", by=wanted.by, reason=wanted.reason, flags=wanted.flags)
        return self.flags.listed()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the replicas and SIGHUP while the block runs."""
        settings = self.live.now
        listener = Listener(
            settings.database_url.get_secret_value(),
            CHANNEL,
            application_name=settings.service_name,
            hear=self._hear,
            catch_up=self._flags_changed.set,
        )
        await self._read_flags_at_start()
        async with AsyncExitStack() as stack:
            stack.enter_context(_on_hangup(lambda: self._want_reload("SIGHUP")))
            for follow in (self._follow_flags, self._follow_reloads):
                await stack.enter_async_context(heartbeat(RETRY_S, follow, at_start=True))
            await stack.enter_async_context(listener.listening())
            yield

    async def _read_flags_at_start(self) -> None:
        """A database that is away delays no start: the settings hold until it is heard."""
        try:
            async with asyncio.timeout(START_S):
                await self.flags.read()
        except (DatabaseUnavailable, TimeoutError) as error:
            log.warning("flags.not_read", error=str(error))

    async def _tell(self, connection: AsyncConnection, event: str) -> None:
        said = orjson.dumps({"event": event, "from": self._own}).decode()
        await connection.execute(sa.select(sa.func.pg_notify(CHANNEL, said)))

    def _hear(self, payload: str) -> None:
        said = orjson.loads(payload)
        if said["event"] == "flags":
            self._flags_changed.set()
        elif said["event"] == "reload" and said["from"] != self._own:
            self._want_reload("replica")

    def _want_reload(self, by: str) -> None:
        self._wanted_by = by
        self._reload_wanted.set()

    async def _follow_flags(self) -> None:
        """Until the database is away; the next turn reads them again."""
        try:
            while True:
                self._flags_changed.clear()
                await self.flags.read()
                await self._flags_changed.wait()
        except DatabaseUnavailable as error:
            log.warning("flags.not_read", error=str(error))

    async def _follow_reloads(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            with suppress(SettingsNotValid):  # the log and the metrics have it
                await self._configuration.reload(self._wanted_by)


@contextmanager
def _on_hangup(call: Callable[[], None]) -> Iterator[None]:
    """Signals reach the main thread alone; in another one, as of a test, there is nothing to follow."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGHUP)
    loop.add_signal_handler(signal.SIGHUP, call)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, before)


def admin_credentials(admin: Admin[Any]) -> Callable[..., HTTPAuthorizationCredentials]:
    """A dependency that lets nobody through without ADMIN_TOKEN."""

    def checked(said: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)]) -> Any:
        admin.check(None if said is None else said.credentials)
        return said

    return checked


def admin_router(admin: Admin[Any]) -> APIRouter:
    """The admin routes of a service."""
    router = APIRouter(
        prefix=ADMIN_PATH, tags=["admin"], route_class=JsonRoute, dependencies=[Depends(admin_credentials(admin))]
    )

    @router.post("/reload-config", summary="Read the settings again")
    async def reload_config() -> ConfigReload:
        """Applies what can be applied, all at once; one wrong value, and nothing has changed (422)."""
        return await admin.reload()

    @router.get("/feature-flags", summary="Which features are on")
    async def feature_flags() -> FeatureFlags:
        return admin.flags.listed()

    @router.patch("/feature-flags", summary="Switch features")
    async def change_feature_flags(wanted: FeatureFlagChanges) -> FeatureFlags:
        """In every replica, and after a restart, too."""
        return await admin.change(wanted)

    return router
