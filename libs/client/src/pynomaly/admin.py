"""What an operator asks of the services: `client.admin`. Each call takes their ADMIN_TOKEN."""

from collections.abc import Mapping
from typing import Literal

from pynomaly_contracts.admin import FLAGS_PATH, RELOAD_PATH, FeatureFlagChanges, SuiteResult

from pynomaly.core.blocking import Blocking, blocking
from pynomaly.core.call import Call, an, payload
from pynomaly.core.session import Session

ServiceName = Literal["gateway", "dataset", "detector", "model", "all"]
_TIMEOUT_S = 25.0  # the gateway waits 20 s for each service, all at once


class AsyncAdmin:
    """Settings read again and features switched, in one service or in all; a result for each, also where it failed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def reload_config(self, service: ServiceName = "all", *, token: str) -> SuiteResult:
        """Read the settings again. A service where one is wrong says so and goes on with those it has."""
        return await self._session.send(_call("POST", RELOAD_PATH, service, token))

    async def feature_flags(self, service: ServiceName = "all", *, token: str) -> SuiteResult:
        """Which features are on, and since when."""
        return await self._session.send(_call("GET", FLAGS_PATH, service, token))

    async def set_feature_flags(
        self,
        flags: Mapping[str, bool | None],
        service: ServiceName = "all",
        *,
        token: str,
        reason: str = "",
        by: str = "",
    ) -> SuiteResult:
        """Switch features, by the names of their settings; None: as the setting says. Outlives restarts.

        Raises InvalidInput for a name that is none, ValidationFailed for a feature that no such service has.
        """
        body = payload(FeatureFlagChanges, flags=dict(flags), reason=reason, by=by).model_dump_json().encode()
        return await self._session.send(_call("PATCH", FLAGS_PATH, service, token, body))


def _call(method: str, path: str, service: ServiceName, token: str, body: bytes | None = None) -> Call[SuiteResult]:
    query = {"service": service}
    return Call(method, path, an(SuiteResult), query=query, body=body, timeout_s=_TIMEOUT_S, token=token)


class Admin(Blocking[AsyncAdmin]):
    """Settings read again and features switched, in one service or in all; a result for each, also where it failed."""

    reload_config = blocking(AsyncAdmin.reload_config)
    feature_flags = blocking(AsyncAdmin.feature_flags)
    set_feature_flags = blocking(AsyncAdmin.set_feature_flags)
