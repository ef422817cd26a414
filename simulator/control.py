"""The simulator's Unix socket, by which a running one is commanded: one JSON object a line in, one out; and its client.

The lines are those of the recorder's own control socket, so that one tool speaks to both.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from simulator.errors import AwayError, ListenError, SimulatorError

SOCKET_MODE: Final = 0o660
LONGEST_LINE: Final = 1_000_000
_ANSWER_DEADLINE_S: Final = 10.0

Handler = Callable[[Mapping[str, Any]], Any]


@asynccontextmanager
async def serve_control(path: Path, handlers: Mapping[str, Handler]) -> AsyncIterator[None]:
    """Answer commands for as long as the block runs.

    Args:
        path: the socket; one that nobody serves any more is replaced.
        handlers: command name to what answers it; a `SimulatorError` becomes the client's error.

    Raises:
        ListenError: somebody serves this socket, or it cannot be made.
    """
    await _require_free(path)
    conversations: set[asyncio.Task[Any]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        task.add_done_callback(conversations.discard)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(_answer(line, handlers), default=str).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.LimitOverrunError):
            pass  # the client is gone, or sent no lines
        finally:
            writer.close()

    before = os.umask(0o117)
    try:
        server = await asyncio.start_unix_server(converse, path, limit=LONGEST_LINE)
    except OSError as fault:
        raise ListenError(f"{path}: {fault.strerror or fault}; choose another path for the control socket") from fault
    finally:
        os.umask(before)
    _share(path)
    try:
        yield
    finally:
        server.close()
        for task in tuple(conversations):
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
        _remove(path)


async def ask(path: Path, command: str, **arguments: object) -> Any:
    """Send one command to a running simulator and return its result.

    Raises:
        AwayError: nobody listens.
        SimulatorError: the simulator refused the command; says why.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
    except OSError as fault:
        raise AwayError(
            f"no simulator answers at {path} ({fault.strerror or fault}); start it: ald-recorder simulate "
            f"--control {path}"
        ) from fault
    try:
        async with asyncio.timeout(_ANSWER_DEADLINE_S):
            writer.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
            await writer.drain()
            line = await reader.readline()
    except (ConnectionError, TimeoutError) as fault:
        raise AwayError(f"the simulator at {path} went away: {fault or 'no answer'}") from fault
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    if not line:
        raise AwayError(f"the simulator at {path} went away without an answer")
    answer = json.loads(line)
    if "error" in answer:
        raise SimulatorError(answer["error"])
    return answer["result"]


async def _require_free(path: Path) -> None:
    """Take away a socket that an earlier simulator left behind."""
    if not _is_socket(path):
        return
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        _remove(path)
        return
    writer.close()
    raise ListenError(f"{path}: another simulator answers there; choose another path for the control socket")


def _is_socket(path: Path) -> bool:
    if path.exists() and not path.is_socket():
        raise ListenError(f"{path}: there is a file, and it is no socket; choose another path")
    return path.exists()


def _share(path: Path) -> None:
    path.chmod(SOCKET_MODE)


def _remove(path: Path) -> None:
    """Take a socket away: a call of microseconds, which no loop needs to be spared."""
    path.unlink(missing_ok=True)


def _answer(line: bytes, handlers: Mapping[str, Handler]) -> dict[str, Any]:
    try:
        request = json.loads(line)
        handler = handlers[request["command"]]
    except (ValueError, KeyError, TypeError):
        known = ", ".join(sorted(handlers))
        return {
            "error": f'not a command; expected {{"command": …}} with one of {known}',
            "code": "not_a_command",
            "exit_status": 2,
        }
    try:
        return {"result": handler(request)}
    except SimulatorError as fault:
        return {"error": str(fault), "exit_status": 2}
