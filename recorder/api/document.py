"""The OpenAPI document: FastAPI's own, with the problems that every route can answer and with who needs no token."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from recorder.api.access import SCHEME
from recorder.api.problem import SCHEMA, Problem, problems

_EVERYWHERE: Final = (400, 403, 429)
_OF_INPUT: Final = (422,)
_OF_BODY: Final = (408, 413)
_NOT_OURS: Final = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI, *, is_reading_free: bool) -> None:
    """Let an app describe itself.

    Args:
        app: with all of its routes.
        is_reading_free: whether reading needs no token, as on loopback.
    """

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, is_reading_free=is_reading_free)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI, *, is_reading_free: bool) -> dict[str, Any]:
    made = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, servers=[{"url": "/"}]
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for name in _NOT_OURS:
        schemas.pop(name, None)
    schemas[SCHEMA] = Problem.model_json_schema(mode="serialization")
    for methods in made["paths"].values():
        for method, operation in methods.items():
            responses = operation["responses"]
            responses.pop("422", None)
            statuses = [*_EVERYWHERE]
            if "parameters" in operation or "requestBody" in operation:
                statuses += _OF_INPUT
            if "requestBody" in operation:
                statuses += _OF_BODY
            for status, described in problems(*statuses).items():
                responses.setdefault(str(status), described)
            if method == "get" and is_reading_free and operation.get("security"):
                operation["security"] = [{SCHEME: []}, {}]
    return made
