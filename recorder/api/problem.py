"""Errors as clients get them: problem JSON of RFC 9457, with a detail of one line."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from recorder.api.errors import NotFoundError, OutcomeUnknownError, TooBusyError
from recorder.errors import OutsideError, RecorderError, UsageError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1
SCHEMA: Final = "Problem"
_REFERENCE: Final = {"schema": {"$ref": f"#/components/schemas/{SCHEMA}"}}
_MEANINGS: Final = {
    400: "The request cannot be understood, or names a host that this api does not serve.",
    401: "A token is needed, and none that is known was given.",
    403: "The token may not do this, or the request comes from a web page of elsewhere.",
    404: "There is no such thing.",
    408: "The body did not come in time.",
    405: "This cannot be done here.",
    406: "It does not come in a form that the client takes.",
    409: "The recorder refuses this as things stand.",
    413: "The body is too large.",
    422: "The request can be read, and is wrong.",
    429: "Too many ask at the same time.",
    503: "The recorder or the database is not there.",
    504: "The recorder did not answer a command, and may have carried it out. The detail says where to look.",
}


class Problem(BaseModel):
    """What is wrong: RFC 9457."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class ProblemResponse(JSONResponse):
    """A problem as an answer."""

    media_type = MEDIA_TYPE

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=" ".join(detail.split()))
        more = {"Retry-After": str(RETRY_AFTER_S)} if status in {429, 503} else {}
        super().__init__(problem.model_dump(), status_code=status, headers={**more, **(headers or {})})


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's `responses` say of the problems that it can answer."""
    return {status: {"description": _MEANINGS[status], "content": {MEDIA_TYPE: _REFERENCE}} for status in statuses}


def status_of(error: RecorderError) -> int:
    """The HTTP status that tells a client what to make of an error of ours."""
    match error:
        case TooBusyError():
            return 429
        case NotFoundError():
            return 404
        case OutcomeUnknownError():
            return 504
        case OutsideError():
            return 503
        case UsageError():
            return 409
        case _:
            return 500


def answer_problems(app: FastAPI) -> None:
    """Let an app answer every error as a problem."""

    async def ours(_request: Request, error: Exception) -> ProblemResponse:
        assert isinstance(error, RecorderError)
        return ProblemResponse(status_of(error), str(error))

    async def of_http(_request: Request, error: Exception) -> ProblemResponse:
        assert isinstance(error, HTTPException)
        return ProblemResponse(error.status_code, str(error.detail), error.headers)

    async def invalid(_request: Request, error: Exception) -> ProblemResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "json_invalid":
            return ProblemResponse(400, f"{place}: not JSON: {first.get('ctx', {}).get('error', first['msg'])}")
        return ProblemResponse(422, f"{place}: {first['msg'].removeprefix('Value error, ')}")

    app.add_exception_handler(RecorderError, ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, invalid)
