"""Prefect's server with our pages: block pictures, and nothing that asks the outside network.

Run as ``python -m deployments.pages``, in the environment of ``deployments.settings.server_environment``.
"""

import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.key_change import settled_key
from deployments.key_file import only_user
from deployments.settings import house

LOGOS = Path(__file__).parent / "logos"

ONLY_FROM_HERE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:"
)
"""The browser asks nobody but our server, whatever script or picture address the UI holds."""


def app() -> FastAPI:
    """Return Prefect's server application with our pages before Prefect's own."""
    from prefect.server.api.server import create_app

    server = create_app(final=True)
    # First: Prefect mounts its UI on / and answers everything there.
    server.router.routes[0:0] = [
        Mount("/groundwork", StaticFiles(directory=LOGOS)),
        Route("/api/collections/views/{view}", _collection_view),
    ]
    server.add_middleware(OwnPagesOnly)
    server.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return server


async def _collection_view(request: Request) -> FileResponse:
    """Answer from the files in Prefect's package; Prefect itself asks a server on the internet first (3.8.8)."""
    from prefect.server.api import collections

    view = Path(str(request.path_params["view"])).name
    file = Path(collections.__file__).parent / "collections_data" / "views" / f"{view}.json"
    if not file.is_file():
        raise HTTPException(404, f"View {view} not found")
    return FileResponse(file, media_type="application/json")


class OwnPagesOnly:
    """Tells the browser, with every answer, to ask nobody but us."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and mark the answer."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = ONLY_FROM_HERE
            await send(message)

        await self.app(scope, receive, marked)


def let_writers_wait() -> None:
    """Have SQLite's writers wait for each other from the start of a transaction.

    Prefect (3.8.8) begins most of them as readers. One that wants to write after another has written is refused at
    once ("database is locked"), answered with 503, and its client comes back two seconds later: measured on every
    second change of a record.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_as_writer(
        self: AioSqliteConfiguration,
        session: AsyncSession,
        with_for_update: bool = True,  # noqa: FBT001, FBT002, ARG001
    ) -> AbstractAsyncContextManager[AsyncSessionTransaction]:
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_as_writer  # type: ignore[method-assign, assignment]


def main() -> None:
    """Serve until told to end."""
    place = house()
    let_writers_wait()
    with only_user(place):
        # Not through the environment of the process: others of this user could read it there.
        os.environ["PREFECT_SERVER_ENCRYPTION_KEY"] = settled_key(place)
        uvicorn.run(app(), host="127.0.0.1", port=place.port, log_level="warning", timeout_graceful_shutdown=5)


if __name__ == "__main__":
    main()
