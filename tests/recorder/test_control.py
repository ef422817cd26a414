"""The daemon's Unix socket: every line gets an answer, and no client can harm another."""

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from recorder.control import LONGEST_LINE, ask, refusal_of, serve, socket_address
from recorder.errors import (
    CommandUnknownError,
    ConfigurationError,
    DaemonAwayError,
    OutsideError,
    RecorderError,
    SpoolError,
    UsageError,
)


async def echo(request: Mapping[str, Any]) -> Any:
    """Give back what was asked."""
    return request


async def refuse(request: Mapping[str, Any]) -> Any:
    """Refuse as different layers do."""
    raise {"use": UsageError, "spool": SpoolError, "other": RecorderError}[request["how"]]("it is so")


async def fail(_request: Mapping[str, Any]) -> Any:
    """Have a fault of one's own."""
    raise ValueError("a fault of ours")


HANDLERS = {"echo": echo, "refuse": refuse, "fail": fail}


@pytest.fixture
async def path(short_directory: Path) -> AsyncIterator[Path]:
    """A served socket."""
    path = short_directory / "control.sock"
    async with serve(path, HANDLERS):
        yield path


async def say(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    """Send lines as they are and read an answer to each."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        for line in lines:
            writer.write(line + b"\n")
        return [json.loads(await reader.readline()) for _ in lines]
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_command_is_answered(path: Path) -> None:
    """Its arguments arrive, its result comes back."""
    assert await ask(path, "echo", lot="L1", note="é\n") == {"command": "echo", "lot": "L1", "note": "é\n"}


async def test_one_connection_may_ask_many_times(path: Path) -> None:
    """Answers come in order."""
    answers = await say(path, *(b'{"command": "echo", "n": %d}' % n for n in range(20)))
    assert [answer["result"]["n"] for answer in answers] == list(range(20))


async def test_many_clients_are_answered_at_once(path: Path) -> None:
    """Each its own."""
    answers = await asyncio.gather(*(ask(path, "echo", n=n) for n in range(100)))
    assert [answer["n"] for answer in answers] == list(range(100))


async def test_the_socket_is_for_its_user_and_group(path: Path) -> None:
    """Mode 660; and it is gone afterwards."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o660  # noqa: ASYNC240  (nothing else runs)


async def test_a_socket_that_a_killed_daemon_left_is_replaced(short_directory: Path) -> None:
    """The file lock says that nobody serves it any more; at the end it is gone."""
    path = short_directory / "control.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    async with serve(path, HANDLERS):
        assert await ask(path, "echo") == {"command": "echo"}
    assert not path.exists()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'"echo"',
        b"{}",
        b'{"command": "nothing"}',
        b'{"command": ["echo"]}',
        b"[" * 100_000,
    ],
)
async def test_a_line_that_is_no_command_is_answered_with_those_that_are(path: Path, line: bytes) -> None:
    """And the connection goes on."""
    refused, answered = await say(path, line, b'{"command": "echo"}')
    assert (refused["exit_status"], refused["code"]) == (2, "not_a_command")
    assert refused["error"].endswith("one of echo, fail, refuse")
    assert answered == {"result": {"command": "echo"}}


@pytest.mark.parametrize("code", [{"code": "not_a_command"}, {}])
def test_a_daemon_without_a_command_is_known_by_its_code_and_an_older_one_by_its_words(code: dict[str, str]) -> None:
    """Release 0.1 said it in words alone; any other refusal stays what it is."""
    said = {"error": "not a command; expected one of status", "exit_status": 2, **code}
    assert type(refusal_of(said)) is CommandUnknownError
    assert type(refusal_of({"error": "not so", "exit_status": 2})) is UsageError


async def test_a_line_beyond_all_bounds_is_refused(path: Path) -> None:
    """It is not kept in memory to its end, and others are served all the while."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"x" * (3 * LONGEST_LINE))
    assert json.loads(await reader.readline())["exit_status"] == 2
    assert await ask(path, "echo") == {"command": "echo"}
    writer.close()


async def test_a_client_that_goes_away_in_mid_command_harms_nobody(path: Path) -> None:
    """A console that crashed."""
    for part in (b'{"command": ', b'{"command": "echo"}\n' * 1000):
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(part)
        writer.transport.abort()
    assert await ask(path, "echo") == {"command": "echo"}


@pytest.mark.parametrize(
    ("how", "kind", "status"), [("use", UsageError, 2), ("spool", OutsideError, 3), ("other", RecorderError, 1)]
)
async def test_a_refusal_reaches_the_client_with_its_exit_status(
    path: Path, how: str, kind: type[RecorderError], status: int
) -> None:
    """What was wrong use here is wrong use there."""
    with pytest.raises(kind, match=r"^it is so$") as caught:
        await ask(path, "refuse", how=how)
    assert caught.value.exit_status == status


async def test_a_fault_of_ours_is_told_and_serving_goes_on(path: Path) -> None:
    """The client is not left without an answer."""
    with pytest.raises(RecorderError, match="fail: ValueError: a fault of ours"):
        await ask(path, "fail")
    assert await ask(path, "echo") == {"command": "echo"}


async def test_a_daemon_that_is_away_is_one_clear_line(short_directory: Path) -> None:
    """No socket, and a socket that nobody serves."""
    path = short_directory / "control.sock"
    with pytest.raises(DaemonAwayError, match=r"no recorder answers at .*start it: ald-recorder run"):
        await ask(path, "echo")
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with pytest.raises(DaemonAwayError, match="no recorder answers"):
        await ask(path, "echo")


@pytest.mark.parametrize("answer", [b"", b'{"result": 1', b"x" * (2 * LONGEST_LINE)])
async def test_a_daemon_that_ends_in_mid_answer_went_away(short_directory: Path, answer: bytes) -> None:
    """Also where a part of the answer came, or one beyond all bounds."""

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await writer.drain()
        writer.close()

    path = short_directory / "control.sock"
    server = await asyncio.start_unix_server(die, path)
    try:
        with pytest.raises(DaemonAwayError, match="went away"):
            await ask(path, "echo")
    finally:
        server.close()
        await server.wait_closed()


async def test_a_path_too_long_for_the_kernel_gets_a_short_one(tmp_path: Path) -> None:
    """The same for daemon and client; another path gets another."""
    path = tmp_path / ("long" * 40) / "control.sock"
    path.parent.mkdir()
    assert len(str(socket_address(path))) < 100
    assert socket_address(path) != socket_address(path.with_name("other.sock"))
    async with serve(path, HANDLERS):
        assert await ask(path, "echo") == {"command": "echo"}
    assert not socket_address(path).exists()


@pytest.mark.parametrize("name", ["nothing/control.sock", "folder"])
async def test_a_socket_that_cannot_be_made_is_one_clear_line(short_directory: Path, name: str) -> None:
    """It names the field."""
    (short_directory / "folder").mkdir()
    with pytest.raises(ConfigurationError, match=r"^control\.socket: .*; choose another path$"):
        async with serve(short_directory / name, HANDLERS):
            pass


async def test_the_end_of_serving_ends_idle_conversations(short_directory: Path) -> None:
    """A console that only listens must not hold up the daemon's end."""
    path = short_directory / "control.sock"
    async with asyncio.timeout(5):
        async with serve(path, HANDLERS):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"command": "echo"}\n')
            await reader.readline()
        assert await reader.read() == b""
    writer.close()


async def test_the_end_of_serving_ends_a_command_that_goes_on_without_a_trace(
    short_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A question to a database that hangs holds up no end of the recorder, and is no fault to be logged."""
    begun = asyncio.Event()

    async def hang(_request: Mapping[str, Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    path = short_directory / "control.sock"
    async with serve(path, {"hang": hang}):
        asking = asyncio.create_task(ask(path, "hang"))
        await begun.wait()
    with pytest.raises(DaemonAwayError):
        await asking
    await asyncio.sleep(0)
    assert not caplog.records
