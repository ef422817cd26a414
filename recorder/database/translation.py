"""What asyncpg raises, as errors of our own: once, here, with the operation and the place."""

import ssl
from typing import Final

import asyncpg

from recorder.database.dsn import describe_dsn
from recorder.errors import (
    ContentRefusedError,
    DatabaseError,
    DatabaseUnreachableError,
    RightMissingError,
    StreamFencedError,
    StreamOutOfStepError,
)

_UNREACHABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,
)
_STREAM_ERRORS: Final = {"AL001": StreamFencedError, "AL002": StreamOutOfStepError}


def translate(error: BaseException, *, operation: str, dsn: str) -> DatabaseError:
    """Turn what asyncpg raised into one of our own errors, naming the operation and the place."""
    where = describe_dsn(dsn)
    said = " ".join(str(error).split())
    refused = _refused(error, said)
    if refused is not None:
        return DatabaseError(f"{operation}: {where} {refused}")
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedFunctionError | asyncpg.UndefinedColumnError):
        return DatabaseError(
            f"{operation}: {where}: the schema is not that of this release ({said}); run: ald-recorder database migrate"
        )
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return RightMissingError(f"{operation}: {where}: {said}; grant the right or use another role")
    # a lost connection that the pool took back is an InterfaceError, like any wrong use of a live one
    is_released = isinstance(error, asyncpg.InterfaceError) and "released back to the pool" in said
    is_closed = isinstance(error, asyncpg.InterfaceError) and "clos" in said
    # rows that end in the middle are a "protocol violation" too, but one that leaves the connection as it is
    is_cut_off = isinstance(error, asyncpg.ProtocolViolationError) and getattr(error, "severity", "") == "ERROR"
    if (isinstance(error, _UNREACHABLE) and not is_cut_off) or is_released or is_closed:
        reason = "the connection was lost" if is_released else said or type(error).__name__
        return DatabaseUnreachableError(
            f"{operation}: {where} is not reachable ({reason}); check that it runs and that [database] dsn is right"
        )
    return _by_state(error, f"{operation}: {where}: {said}")


def _refused(error: BaseException, said: str) -> str | None:
    """What to do about a connection that the server refuses for good; None for any other error."""
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return "does not exist; create it with CREATE DATABASE"
    if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return f"refused the login: {said}; check user and password of the DSN"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"is not whom the DSN means: {said}; check its host, sslmode and sslrootcert, and who answers there"
    if isinstance(error, asyncpg.ProtocolViolationError) and "unsupported startup parameter" in said:
        return (
            f"is a pooler in transaction mode ({said}); set [database] prepared_statements = false, and direct_dsn to "
            "the server behind it"
        )
    return None


def _by_state(error: BaseException, message: str) -> DatabaseError:
    state = str(getattr(error, "sqlstate", None))
    if state[:2] in {*ContentRefusedError.CLASSES, "08"}:
        # without PostgreSQL's DETAIL: it shows the whole row, and so no two would be of the same reason
        return ContentRefusedError(message, sqlstate=state, said=str(getattr(error, "message", error)))
    return _STREAM_ERRORS.get(state, DatabaseError)(message)


FOREIGN_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # a connection that ends in the middle of a COPY may leave asyncpg's own bookkeeping behind
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What asyncpg raises for anything that is not our own mistake."""
