"""A serial port on a pseudo-terminal: what it is set to, and what a person reads where it does not open."""

import asyncio
import grp
import os
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.errors import DefinitionError, NotConnectedError
from hal.link import Block, Link
from hal.modbus import Line, ModbusTcpSettings, Parity, SerialPlace, TcpPlace, UnitSettings
from hal.parameter import RegisterKind

ONE = Block(kind=RegisterKind.HOLDING_REGISTER, address=0, count=1)
NOBODY = 65_534


@pytest.fixture
def port() -> Iterator[str]:
    """A port with nobody at the other end."""
    controller, own = os.openpty()
    tty.setraw(own)
    yield os.ttyname(own)
    os.close(own)
    os.close(controller)


async def reach(path: str, *, parity: Parity = Parity.NONE, baud: int = 9600) -> Link:
    """Open it."""
    place = SerialPlace(path=path, baud=baud, parity=parity)
    return await Line(place).join(UnitSettings(device="mfc", request_timeout_s=0.01, turnaround_s=0.0))()


async def test_the_port_is_set_as_it_was_asked(port: str) -> None:
    """Baud rate, 8 data bits, stop bits."""
    place = SerialPlace(path=port, baud=38_400, parity=Parity.NONE, stop_bits=2)
    link = await Line(place).join(UnitSettings(device="mfc"))()
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    _, _, cflag, _, speed, _, _ = termios.tcgetattr(descriptor)
    os.close(descriptor)
    assert speed == termios.B38400
    assert cflag & termios.CSIZE == termios.CS8
    assert cflag & termios.CSTOPB
    await link.close()


async def test_a_port_that_is_not_there_names_those_that_are() -> None:
    """A typing error is the commonest cause."""
    with pytest.raises(NotConnectedError, match=r"^mfc: open /dev/ttyUSB77: there is no such port; there are: \S"):
        await reach("/dev/ttyUSB77")


async def test_a_port_without_rights_says_which_group_helps(port: str) -> None:
    """The second commonest."""
    if os.geteuid() != 0:
        pytest.skip("only root can give up its rights for this test")
    group = grp.getgrgid(os.stat(port).st_gid).gr_name  # noqa: PTH116  (a port, no file)
    os.chown(port, 0, -1)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(NotConnectedError, match=rf"no right to open it: add this user to the group {group} and"):
            await reach(port)
    finally:
        os.seteuid(0)


async def test_a_port_that_another_has_open_says_so(port: str) -> None:
    """Two masters on one line would take each other's answers."""
    first = await reach(port)
    with pytest.raises(NotConnectedError, match="another program has it open"):
        await reach(port)
    await first.close()
    second = await reach(port)
    await second.close()


async def test_a_file_that_is_no_port_says_so(tmp_path: Path) -> None:
    """The path of something else."""
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(NotConnectedError, match="it is no serial port"):
        await reach(str(tmp_path / "notes.txt"))


async def test_a_setting_that_the_port_does_not_take_is_named(port: str) -> None:
    """A pseudo-terminal has no parity."""
    with pytest.raises(NotConnectedError, match="the port does not take 9600 baud, parity odd, 1 stop bits"):
        await reach(port, parity=Parity.ODD)


async def test_a_port_that_is_given_up_at_once_leaves_nothing_behind(port: str) -> None:
    """Closed before the event loop has turned once."""
    link = await reach(port)
    await link.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_a_port_on_which_nobody_answers_is_closed_after_three_requests(port: str) -> None:
    """Opened anew, it may be the one that was plugged in again."""
    link = await reach(port)
    for _ in range(3):
        assert not link.lost.is_set()
        with pytest.raises(TimeoutError):
            await link.read(ONE)
    assert link.lost.is_set()
    await link.close()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"path": ""}, "the path of the serial port is empty"),
        ({"path": "x", "baud": 50}, "50 baud is outside 110"),
        ({"path": "x", "stop_bits": 3}, "3 stop bits cannot be"),
    ],
)
def test_a_serial_place_that_cannot_be_is_refused(fields: dict[str, str | int], words: str) -> None:
    """Before it is opened."""
    with pytest.raises(DefinitionError, match=words):
        SerialPlace(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"unit": 256}, "unit 256 is outside"),
        ({"request_timeout_s": 0.0}, "more than 0 s"),
        ({"request_timeout_s": float("nan")}, "more than 0 s"),
        ({"turnaround_s": -1.0}, "the turnaround of -1 s"),
        ({"inter_request_delay_s": float("inf")}, "the inter-request delay of inf s"),
    ],
)
def test_a_unit_that_cannot_be_is_refused(fields: dict[str, float], words: str) -> None:
    """With the name of its device."""
    with pytest.raises(DefinitionError, match=f"^mfc: .*{words}"):
        UnitSettings(device="mfc", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("connections", [0, 9])
def test_too_many_connections_are_refused(connections: int) -> None:
    """One to eight."""
    with pytest.raises(DefinitionError, match=f"plc: {connections} connections are outside"):
        ModbusTcpSettings(device="plc", host="plc", connections=connections)


def test_a_tcp_place_that_cannot_be_is_refused() -> None:
    """Before it is connected to."""
    with pytest.raises(DefinitionError, match="the host is empty"):
        TcpPlace(host="")
