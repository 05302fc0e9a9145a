"""Bare routes: answered before the framework, as it would have answered them."""

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pynomaly_chassis.bare import BareRoute, Shortcut
from pynomaly_chassis.problems import NotFound, ProblemError
from starlette.types import Message, Receive, Scope, Send

router = APIRouter(prefix="/things", route_class=BareRoute)


@router.post("")
async def fixed(request: Request) -> Response:
    return Response(request.scope["route"].path)


@router.post("/{thing}/parts/{part:int}")
async def varied(request: Request) -> Response:
    return Response(repr(request.path_params))


@router.post("/refused")
async def refused(_: Request) -> Response:
    raise RequestValidationError([{"type": "missing", "loc": ("body", "x"), "msg": "it is missing", "input": {}}])


@router.post("/unknown")
async def unknown(_: Request) -> Response:
    raise NotFound("there is none")


async def framework(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(Shortcut(framework, router.routes)), base_url="http://x")


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/things", "/things"), ("/things/a%20b/parts/7", "{'thing': 'a b', 'part': 7}")],
    ids=["fixed", "varied"],
)
async def test_a_bare_route_is_answered_at_once(client: httpx.AsyncClient, path: str, answer: str) -> None:
    assert (await client.post(path)).text == answer


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/things"), ("POST", "/things/"), ("POST", "/things/a/parts/x"), ("POST", "/other")],
)
async def test_everything_else_goes_on_to_the_framework(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await client.request(method, path)).status_code == 299


@pytest.mark.parametrize(("path", "status"), [("/things/refused", 422), ("/things/unknown", 404)])
async def test_what_a_bare_route_raises_is_a_problem(client: httpx.AsyncClient, path: str, status: int) -> None:
    with pytest.raises(ProblemError) as raised:
        await client.post(path)
    assert raised.value.status == status


async def test_what_is_no_request_goes_on() -> None:
    passed: list[str] = []

    async def inner(scope: Scope, _receive: Receive, _send: Send) -> None:
        passed.append(scope["type"])

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(_: Message) -> None: ...

    await Shortcut(inner, FastAPI().routes)({"type": "lifespan"}, receive, send)
    assert passed == ["lifespan"]
