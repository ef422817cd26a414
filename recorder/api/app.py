"""The api as an ASGI application."""

from importlib import metadata
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from recorder.api import command_routes, live_routes, metrics, recipe_routes, run_routes
from recorder.api.context import Context
from recorder.api.document import describe
from recorder.api.guard import Guard
from recorder.api.problem import answer_problems

PROGRAM: Final = "ald-recorder"


def make_app(context: Context) -> FastAPI:
    """The application on a context that is open, and is closed by who opened it."""
    config = context.config.api
    app = FastAPI(
        title="ALD recorder",
        version=metadata.version(PROGRAM),
        description="What the recorder of an ALD tool does now, what it recorded, and how to work with it.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # nobody here collects it, and no variable of the environment shall switch it on
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.context = context
    answer_problems(app)
    for routes in (live_routes, command_routes, run_routes, recipe_routes, metrics):
        app.include_router(routes.router)
    describe(app, is_reading_free=config.is_loopback)
    if config.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[origin.rstrip("/") for origin in config.allowed_origins],
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
        )
    # added last, so that it is the first that a request meets, but for what looks how long that takes
    app.add_middleware(Guard, config=config)
    metrics.measure(app, context)
    return app
