"""The admin routes of the gateway, and through it of every service."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel
from pynomaly_chassis.admin import ADMIN_PATH, Admin, admin_credentials
from pynomaly_chassis.flags import check_owned
from pynomaly_chassis.json_route import JsonRoute
from pynomaly_chassis.problems import ProblemError, problem_document
from pynomaly_contracts.admin import (
    FLAG_OWNERS,
    FLAGS_PATH,
    RELOAD_PATH,
    ConfigReload,
    FeatureFlagChanges,
    FeatureFlags,
    ServiceResult,
    SuiteResult,
)
from pynomaly_contracts.problems import Problem
from pynomaly_contracts.routes import Service

from gateway_service.clients import ServiceClient

MULTI_STATUS = 207
Named = Literal["gateway", "dataset", "detector", "model", "all"]
Wanted = Annotated[
    Named | None, Query(description="Whose: one service, or all, with a result for each; without, the gateway's own.")
]


class SuiteAdmin:
    """An operator's word to several services at once; each answers for itself, and there is no going back."""

    def __init__(self, admin: Admin[Any], client: ServiceClient) -> None:
        self.own, self._client = admin, client

    async def reload(self, wanted: Named, token: str) -> SuiteResult:
        """Every service reads its settings again."""
        return await self._each(wanted, self.own.reload, lambda service: self._ask(service, "POST", RELOAD_PATH, token))

    async def flags(self, wanted: Named, token: str) -> SuiteResult:
        """The switches of every service."""

        async def listed() -> FeatureFlags:
            return self.own.flags.listed()

        return await self._each(wanted, listed, lambda service: self._ask(service, "GET", FLAGS_PATH, token))

    async def change(self, wanted: Named, changes: FeatureFlagChanges, token: str) -> SuiteResult:
        """Each service is told of those flags that it heeds. Raises NotHeeded where nobody heeds one."""
        check_owned(changes, _named(wanted))

        async def tell(service: Service) -> ServiceResult:
            told = _concerning(service, changes)
            if not told.flags:
                return ServiceResult(service=service, outcome="not_concerned")
            if service is Service.GATEWAY:
                return await _told(lambda: self.own.change(told))
            return await self._ask(service, "PATCH", FLAGS_PATH, token, told)

        return SuiteResult(results=await asyncio.gather(*map(tell, _named(wanted))))

    async def _each(
        self,
        wanted: Named,
        here: Callable[[], Awaitable[BaseModel]],
        there: Callable[[Service], Awaitable[ServiceResult]],
    ) -> SuiteResult:
        asked = [_told(here) if service is Service.GATEWAY else there(service) for service in _named(wanted)]
        return SuiteResult(results=await asyncio.gather(*asked))

    async def _ask(
        self, service: Service, method: str, path: str, token: str, body: BaseModel | None = None
    ) -> ServiceResult:
        content = None if body is None else body.model_dump_json().encode()
        return await self._client.admin(service, method, path, token, content)


def _named(wanted: Named) -> tuple[Service, ...]:
    return tuple(Service) if wanted == "all" else (Service(wanted),)


def _concerning(service: Service, changes: FeatureFlagChanges) -> FeatureFlagChanges:
    flags = {flag: value for flag, value in changes.flags.items() if service in FLAG_OWNERS.get(flag, ())}
    return changes.model_copy(update={"flags": flags})


async def _told(here: Callable[[], Awaitable[BaseModel]]) -> ServiceResult:
    try:
        answer = await here()
    except ProblemError as error:
        return ServiceResult(
            service=Service.GATEWAY, outcome="failed", problem=Problem.model_validate(problem_document(error))
        )
    return ServiceResult(service=Service.GATEWAY, outcome="done", answer=answer.model_dump(mode="json"))


def suite_admin_router(admin: SuiteAdmin) -> APIRouter:
    """As every service's admin routes, with ?service= for those behind the door."""
    credentials = Depends(admin_credentials(admin.own))
    router = APIRouter(prefix=ADMIN_PATH, tags=["admin"], route_class=JsonRoute)

    @router.post("/reload-config", summary="Read the settings again", responses=_PARTIAL)
    async def reload_config(
        response: Response, service: Wanted = None, said: HTTPAuthorizationCredentials = credentials
    ) -> ConfigReload | SuiteResult:
        """Applies what can be applied, all at once in a service; one wrong value, and nothing has changed there."""
        if service is None:
            return await admin.own.reload()
        return _answered(response, await admin.reload(service, said.credentials))

    @router.get("/feature-flags", summary="Which features are on", responses=_PARTIAL)
    async def feature_flags(
        response: Response, service: Wanted = None, said: HTTPAuthorizationCredentials = credentials
    ) -> FeatureFlags | SuiteResult:
        """Of the gateway, or of the services that are named."""
        if service is None:
            return admin.own.flags.listed()
        return _answered(response, await admin.flags(service, said.credentials))

    @router.patch("/feature-flags", summary="Switch features", responses=_PARTIAL)
    async def change_feature_flags(
        response: Response,
        wanted: FeatureFlagChanges,
        service: Wanted = None,
        said: HTTPAuthorizationCredentials = credentials,
    ) -> FeatureFlags | SuiteResult:
        """In every replica, and after a restart, too; `service=all` tells each service that heeds the flag."""
        if service is None:
            return await admin.own.change(wanted)
        return _answered(response, await admin.change(service, wanted, said.credentials))

    return router


_PARTIAL: dict[int | str, dict[str, Any]] = {MULTI_STATUS: {"model": SuiteResult, "description": "Some have failed."}}


def _answered(response: Response, result: SuiteResult) -> SuiteResult:
    if any(each.outcome == "failed" for each in result.results):
        response.status_code = MULTI_STATUS
    return result
