"""The console in a browser: textual-serve runs one read-only console for each visitor. On this machine alone.

textual-serve has no authentication, so it listens on loopback, the consoles it runs change nothing, and a page from
elsewhere that the same browser shows cannot look into them.
"""

import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

HOST: Final = "127.0.0.1"
_TEMPLATES: Final = Path(__file__).parent / "templates"
_OWN_NAMES: Final = frozenset({HOST, "localhost"})


class LocalServer(Server):
    """textual-serve for this machine's browser and its own page, which loads nothing from elsewhere."""

    async def _make_app(self) -> web.Application:
        application = await super()._make_app()
        application.middlewares.append(_refuse_strangers)
        return application


@web.middleware
async def _refuse_strangers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Another name for this machine, or a page of another one, is somebody who wants in through the browser."""
    asked_for = [f"//{request.host}", request.headers.get("Origin", f"//{HOST}")]
    if any(urlsplit(name).hostname not in _OWN_NAMES for name in asked_for):
        raise web.HTTPForbidden(text=f"this console is shown at http://{HOST} and to its own page only\n")
    return await handler(request)


def serve(socket: Path, *, port: int) -> None:
    """Serve until interrupted."""
    command = [sys.executable, "-m", "recorder", "console", "--socket", str(socket.absolute()), "--read-only"]
    LocalServer(shlex.join(command), host=HOST, port=port, title="ALD recorder", templates_path=_TEMPLATES).serve()
