"""The built UI: files under /assets for ever, everything else that is no API answers with the page."""

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from event_stream_engine.web.guards import PUBLIC
from event_stream_engine.web.methods import methods_at

DIST = Path(__file__).resolve().parents[3] / "frontend" / "dist"
_NOT_THE_UI = ("/api/", "/webhooks/", "/metrics", "/assets/")

_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Not built</title>
<p>The UI is not built. Run <code>make up</code>, or <code>npm ci && npm run build</code> in <code>frontend/</code>.
The API works: see <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p></html>"""


class Assets(StaticFiles):
    """Their names carry a hash of their content, so browsers may keep them. Sent by us, not by the server from the file
    itself: only then can they be compressed on the way."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__({**scope, "extensions": {}}, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def mount(app: FastAPI, dist: Path) -> None:
    """Serve the build in `dist`; a page that says what to do while there is none."""
    if (dist / "assets").is_dir():
        assets = GZipMiddleware(Assets(directory=dist / "assets"), minimum_size=1000)
        app.mount("/assets", assets, name="assets")
    root = dist.resolve()

    @app.get("/{path:path}", include_in_schema=False, dependencies=[PUBLIC])
    async def page(request: Request, path: str) -> Response:
        if request.url.path.startswith(_NOT_THE_UI):
            if methods_at(app, request.url.path):
                raise HTTPException(405, "Method Not Allowed")
            raise HTTPException(404, "There is nothing at this address.")
        if "\0" in path:
            raise HTTPException(404, "There is nothing at this address.")
        file = (root / path).resolve()
        if path and file.is_relative_to(root) and file.is_file():
            return FileResponse(file, headers={"cache-control": "no-cache"})
        index = root / "index.html"
        if not index.is_file():
            return HTMLResponse(_NOT_BUILT, 503)
        return FileResponse(index, headers={"cache-control": "no-cache"})
