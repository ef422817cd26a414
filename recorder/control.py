"""The daemon's Unix socket: one JSON object a line in, one out; and its client.

Only the daemon opens devices and writes runs, so every command on a running tool goes through here.
"""

import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import structlog

from recorder.errors import (
    CommandUnknownError,
    ConfigurationError,
    DaemonAwayError,
    NoAnswerError,
    OutsideError,
    RecorderError,
    UsageError,
)

SOCKET_MODE: Final = 0o660
LONGEST_LINE: Final = 1_000_000
_LONGEST_PATH: Final = 100
"""Bytes; the kernel takes 107 for a Unix socket."""

_END_S: Final = 0.2
"""How long a command under way may take to end when the daemon does."""

_ERRORS: Final = {UsageError.exit_status: UsageError, OutsideError.exit_status: OutsideError}
_NOT_A_COMMAND: Final = "not_a_command"
"""The code of an answer to what is no command here; releases up to 0.1 said it in words alone."""
_NOT_A_COMMAND_IN_WORDS: Final = "not a command;"

Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]
log = structlog.get_logger()


def socket_address(path: Path) -> Path:
    """Where a control socket really lies: a path too long for the kernel gets a short name in the temporary folder."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"ald-recorder-{digest}.sock"


@asynccontextmanager
async def serve(path: Path, handlers: Mapping[str, Handler]) -> AsyncIterator[None]:
    """Answer commands for as long as the block runs.

    Args:
        path: the socket; an old one is replaced, since the file lock says that nobody else serves it.
        handlers: command name to what answers it; a `RecorderError` becomes the client's error.

    Raises:
        ConfigurationError: the socket cannot be made.
    """
    address = socket_address(path)
    conversations: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(_encoded(await _answer(line, handlers)))
                await writer.drain()
        except ConnectionError as error:
            log.debug("control_connection_ended", reason=str(error))
        except ValueError:  # readline's word for a line beyond its limit; where the next one begins is not known
            writer.write(_encoded({"error": f"a command is at most {LONGEST_LINE} bytes long", "exit_status": 2}))
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # a task of our own: Python 3.11 logs a trace of one of its own that is cancelled
        task = asyncio.create_task(converse(reader, writer), name="control conversation")
        conversations[task] = writer
        task.add_done_callback(lambda done: conversations.pop(done, None))

    before = os.umask(0o117)
    try:
        address.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(begin, address, limit=LONGEST_LINE)
        address.chmod(SOCKET_MODE)
    except OSError as error:
        raise ConfigurationError(
            f"control.socket: {address}: {error.strerror or error}; choose another path"
        ) from error
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        for writer in conversations.values():
            writer.transport.abort()
        if conversations:
            await asyncio.wait(conversations, timeout=_END_S)
        for task in tuple(conversations):
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
        address.unlink(missing_ok=True)


def _encoded(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer, default=str).encode() + b"\n"


async def _answer(line: bytes, handlers: Mapping[str, Handler]) -> dict[str, Any]:
    try:
        request = json.loads(line)
        handler = handlers[request["command"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        known = ", ".join(sorted(handlers))
        return {
            "error": f'{_NOT_A_COMMAND_IN_WORDS} expected {{"command": …}} with one of {known}',
            "code": _NOT_A_COMMAND,
            "exit_status": 2,
        }
    try:
        return {"result": await handler(request)}
    except RecorderError as error:
        return {"error": str(error), "exit_status": error.exit_status}
    except Exception as error:  # a fault of ours in one command must not cost the client its answer
        log.exception("control_command_failed", command=request["command"])
        return {"error": f"{request['command']}: {type(error).__name__}: {error}", "exit_status": 1}


def refusal_of(answer: Mapping[str, Any]) -> RecorderError:
    """What a client raises for an answer that is an error.

    Raises:
        KeyError: it is no answer of a recorder.
    """
    said = str(answer["error"])
    if answer.get("code") == _NOT_A_COMMAND or said.startswith(_NOT_A_COMMAND_IN_WORDS):
        return CommandUnknownError(said)
    return _ERRORS.get(answer["exit_status"], RecorderError)(said)


async def ask(path: Path, command: str, **arguments: object) -> Any:
    """Send one command to the daemon and return its result.

    Raises:
        DaemonAwayError: nobody listens.
        NoAnswerError: it went away before its answer was whole.
        CommandUnknownError: it does not have this command.
        RecorderError: the daemon refused the command; of the kind that its exit status says.
    """
    address = socket_address(path)
    try:
        reader, writer = await asyncio.open_unix_connection(address, limit=LONGEST_LINE)
    except PermissionError as error:
        raise DaemonAwayError(f"{address}: {error.strerror}; run as the recorder's user or in its group") from error
    except OSError as error:
        raise DaemonAwayError(
            f"no recorder answers at {address} ({error.strerror or error}); start it: ald-recorder run"
        ) from error
    try:
        writer.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
        await writer.drain()
        line = await reader.readline()
    except (ConnectionError, ValueError) as error:
        raise NoAnswerError(f"the recorder at {address} went away: {error}") from error
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    if not line.endswith(b"\n"):
        raise NoAnswerError(f"the recorder at {address} went away without an answer")
    answer = json.loads(line)
    if "error" in answer:
        raise refusal_of(answer)
    return answer["result"]
