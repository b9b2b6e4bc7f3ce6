"""The page ``/docs``: Swagger UI out of a Python package, so that it needs no network."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.errors import JSON, RequestProblem

_KINDS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_START = "start.js"
_SCRIPT = b"""\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
  layout: "BaseLayout",
  validatorUrl: null,
});
"""
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Liveshelf</title>
<link rel="icon" href="docs/assets/favicon.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/assets/start.js"></script>
</body>
</html>
"""
_KEEP = {"Cache-Control": "public, max-age=3600"}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> Response:
    """Show the API's description."""
    return HTMLResponse(_PAGE, headers={"Cache-Control": "no-cache"})


@router.get("/openapi.json")
async def description(request: Request) -> Response:
    """Give the API's description; made into JSON once, as anybody may ask for it."""
    state = request.app.state
    if not hasattr(state, "description"):
        state.description = orjson.dumps(request.app.openapi())
    return Response(state.description, media_type=JSON)


@router.get("/docs/assets/{name}")
async def asset(name: str) -> Response:
    """Give what the page needs."""
    if name == _START:
        return Response(_SCRIPT, media_type="text/javascript", headers=_KEEP)
    if name not in _KINDS:
        raise RequestProblem(404, "not_found", "no such address")
    return Response(_content(name), media_type=_KINDS[name], headers=_KEEP)


@cache
def _content(name: str) -> bytes:
    return files("fastapi_offline").joinpath("static", name).read_bytes()
