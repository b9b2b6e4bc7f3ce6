"""Endpoints that take the request alone are called directly; all others, and all rules around them, are FastAPI's."""

from __future__ import annotations

import asyncio
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Request
from fastapi.responses import Response

from api.direct_route import DirectRoute
from api.errors import RequestProblem, register


def refuse() -> None:
    raise HTTPException(418)


router = APIRouter(route_class=DirectRoute)
watched = APIRouter(route_class=DirectRoute, dependencies=[Depends(refuse)])


@router.get("/plain/{name:path}/end")
async def plain(request: Request) -> Response:
    return Response("FastAPI looked" if "fastapi_inner_astack" in request.scope else request.path_params["name"])


@router.get("/number/{number}")
async def number(request: Request, number: Annotated[int, Path(le=5)]) -> Response:
    return Response(f"{number} at {request.url.path}")


@router.get("/problem")
async def problem(request: Request) -> Response:
    raise RequestProblem(409, "some_code", f"{request.url.path}: must be another")


@router.post("/status/{status}", status_code=202)
def with_default(status: int = 0) -> dict[str, int]:
    return {"status": status}


@watched.get("/watched")
async def guarded(request: Request) -> Response:
    return Response(request.url.path)


def ask(method: str, address: str, root_path: str = "") -> httpx.Response:
    app = FastAPI()
    register(app)
    app.router.routes.extend([*router.routes, *watched.routes])

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://liveshelf") as client:
            return await client.request(method, address)

    return asyncio.run(request())


def test_an_endpoint_that_takes_the_request_alone_is_called_without_a_look_for_parameters() -> None:
    assert ask("GET", "/plain/a/b/end").text == "a/b"


def test_parameters_of_other_endpoints_are_found_and_checked() -> None:
    assert ask("GET", "/number/5").text == "5 at /number/5"
    assert ask("GET", "/number/6").json()["error"]["code"] == "invalid_request"
    answer = ask("POST", "/status/7")
    assert (answer.status_code, answer.json()) == (202, {"status": 7})


def test_dependencies_of_a_router_are_never_passed_by() -> None:
    assert ask("GET", "/watched").status_code == 418


def test_what_an_endpoint_raises_gets_its_answer() -> None:
    answer = ask("GET", "/problem")
    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == "/problem: must be another"


def test_other_methods_and_addresses_are_answered_as_ever() -> None:
    assert ask("POST", "/problem").status_code == 405
    assert ask("GET", "/plain/end").status_code == 404
    assert ask("GET", "/plain/a/end/more").status_code == 404


def test_a_root_path_is_no_part_of_the_address() -> None:
    assert ask("GET", "/shop/plain/a/end", "/shop").text == "a"
    assert ask("GET", "/shop/problem", "/shop").status_code == 409
