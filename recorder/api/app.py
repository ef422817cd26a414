"""The api as an ASGI application."""

from importlib import metadata
from typing import Final

from fastapi import FastAPI

from recorder.api import command_routes, live_routes, metrics, run_routes
from recorder.api.context import Context
from recorder.api.problem import answer_problems

PROGRAM: Final = "ald-recorder"


def make_app(context: Context) -> FastAPI:
    """The application on a context that is open, and is closed by who opened it."""
    app = FastAPI(
        title="ALD recorder",
        version=metadata.version(PROGRAM),
        description="What the recorder of an ALD tool does now, what it recorded, and how to work with it.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    answer_problems(app)
    for routes in (live_routes, command_routes, run_routes, metrics):
        app.include_router(routes.router)
    return app
