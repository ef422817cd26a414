"""What arrives on the control socket beside the command's name, checked once, here."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from recorder.errors import UsageError

Request = TypeVar("Request", bound=BaseModel)


def parse_request(model: type[Request], request: Mapping[str, Any]) -> Request:
    """Understand a request.

    Raises:
        UsageError: naming the command and the first wrong argument.
    """
    try:
        return model.model_validate({name: value for name, value in request.items() if name != "command"})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{request.get('command', 'request')}: {field}: {message}") from error
