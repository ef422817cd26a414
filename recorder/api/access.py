"""Who may do what: reading needs no token on loopback and one elsewhere, changing always needs an operator's."""

from typing import Annotated, Final

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from recorder.api.context import ContextOf
from recorder.api.problem import problems
from recorder.api.tokens import Identity, Role

SCHEME: Final = "token"
_bearer = HTTPBearer(
    scheme_name=SCHEME,
    auto_error=False,
    description="A token of `ald-recorder token create NAME`. Reading needs none where the api listens on loopback.",
)
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
READING: Final = problems(401)
CHANGING: Final = problems(401, 403)


async def identity(context: ContextOf, given: Given) -> Identity | None:
    """Whose token was given; None where none was.

    Raises:
        HTTPException: it is nobody's.
    """
    if given is None:
        return None
    found = context.tokens.identify(given.credentials)
    if found is None:
        raise HTTPException(401, "nobody has this token; ask for one: ald-recorder token create", _challenge("invalid"))
    return found


async def reader(context: ContextOf, found: Annotated[Identity | None, Depends(identity)]) -> None:
    """Let in who may read.

    Raises:
        HTTPException: a token is needed, and none was given.
    """
    if found is None and not context.config.api.is_loopback:
        raise HTTPException(401, "give a token, as in Authorization: Bearer ald_…", _challenge())


async def operator(found: Annotated[Identity | None, Depends(identity)]) -> Identity:
    """Let in who may change something, and say who it is.

    Raises:
        HTTPException: no token was given, or one that only reads.
    """
    if found is None:
        raise HTTPException(
            401, "changing something needs an operator's token: Authorization: Bearer ald_…", _challenge()
        )
    if found.role is not Role.OPERATOR:
        raise HTTPException(403, f"the token of {found.name} only reads; ask for one of an operator")
    return found


Reader = Depends(reader)
Operator = Annotated[Identity, Depends(operator)]


def _challenge(fault: str = "") -> dict[str, str]:
    """RFC 6750, section 3."""
    return {"WWW-Authenticate": 'Bearer error="invalid_token"' if fault else "Bearer"}
