"""Commands to a running simulator over its Unix socket."""

import asyncio
import json
from pathlib import Path

import pytest

from simulator import SimulatedTool
from simulator.control import ask
from simulator.errors import AwayError, ListenError, SimulatorError
from simulator.fault import FaultName
from simulator.station import ServeOptions


async def test_a_running_tool_is_broken_and_mended_by_command(short_directory: Path) -> None:
    """Inject, list, clear: the fault is in force at once and gone at once."""
    path = short_directory / "control"
    async with SimulatedTool(speed=50, options=ServeOptions(port=0, control=path)) as tool:
        assert await ask(path, "inject", fault={"name": "short", "answers": 5}) == {"id": 1}
        assert [fault.name for fault in tool.station.wire.faults] == [FaultName.SHORT]
        await ask(path, "inject", fault={"name": "chamber_leak", "when": "cycle >= 1"})
        first, second = await ask(path, "list")
        assert (first["name"], first["is_active"], first["hits"]) == ("short", True, 0)
        assert (second["name"], second["is_active"], second["when"]) == ("chamber_leak", False, "cycle >= 1")
        assert await ask(path, "clear", which="short") == {"cleared": 1}
        assert not tool.station.wire.faults
        assert await ask(path, "clear") == {"cleared": 1}
        assert await ask(path, "list") == []


async def test_a_fault_by_command_ends_by_its_time(short_directory: Path) -> None:
    """After a second of the tool's time."""
    path = short_directory / "control"
    async with SimulatedTool(speed=100, options=ServeOptions(port=0, control=path)) as tool:
        await ask(path, "inject", fault={"name": "frozen", "for_s": 1.0})
        frozen_at = tool.state.step_index
        await tool.wait_for(lambda state: state.step_index > frozen_at)
        assert not tool.station.board.active


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("inject", {"fault": {"name": "shrt"}}, "no fault 'shrt'"),
        ("inject", {"fault": {"name": "valve_leaking", "on": "Valve 9"}}, "no 'Valve 9'"),
        ("inject", {}, "needs 'fault'"),
        ("clear", {"which": 77}, "no fault 77"),
        ("clear", {"which": [1]}, "a number or a name"),
        ("explode", {}, "one of clear, flush, inject, list"),
    ],
)
async def test_a_command_that_cannot_be_is_refused_in_words(
    short_directory: Path, command: str, arguments: dict[str, object], said: str
) -> None:
    """And the tool goes on."""
    path = short_directory / "control"
    async with SimulatedTool(options=ServeOptions(port=0, control=path)):
        with pytest.raises(SimulatorError, match=said):
            await ask(path, command, **arguments)
        assert await ask(path, "list") == []


async def test_lines_that_are_no_json_are_answered_and_do_no_harm(short_directory: Path) -> None:
    """Each by an error; the socket serves on."""
    path = short_directory / "control"
    async with SimulatedTool(options=ServeOptions(port=0, control=path)):
        reader, writer = await asyncio.open_unix_connection(path)
        for line in (b"what?\n", b"[]\n", b"null\n", b'{"command": 3}\n', b"\xff\xfe\n"):
            writer.write(line)
            assert "not a command" in json.loads(await reader.readline())["error"]
        writer.close()
        assert await ask(path, "list") == []


async def test_a_socket_that_nobody_serves_any_more_is_replaced_and_one_in_use_is_not(short_directory: Path) -> None:
    """A second simulator is told to take another path."""
    path = short_directory / "control"
    (await asyncio.start_unix_server(lambda _reader, _writer: None, path)).close()
    assert path.exists()
    async with SimulatedTool(options=ServeOptions(port=0, control=path)):
        with pytest.raises(ListenError, match="another simulator answers there"):
            async with SimulatedTool(options=ServeOptions(port=0, control=path)):
                pass
        assert await ask(path, "list") == []
    assert not path.exists()
    with pytest.raises(AwayError, match="no simulator answers"):
        await ask(path, "list")


async def test_a_file_in_the_socket_s_place_is_left_alone(short_directory: Path) -> None:
    """It is somebody's."""
    path = short_directory / "notes.txt"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(ListenError, match="no socket"):
        async with SimulatedTool(options=ServeOptions(port=0, control=path)):
            pass
    assert path.read_text(encoding="utf-8") == "mine"
