"""A server that no one here wrote: libmodbus's, in C, over TCP and over RTU on a terminal.

A client tested only against the server of the library that it is made of shares its faults.
"""

import asyncio
import os
import shutil
import subprocess
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from hal.errors import DefinitionError, RefusedError
from hal.link import Block
from hal.modbus import Line, ModbusLink, Parity, SerialPlace, TcpPlace, UnitSettings
from hal.parameter import RegisterKind

HOLDING, COIL = RegisterKind.HOLDING_REGISTER, RegisterKind.COIL
SOURCE = Path(__file__).with_name("libmodbus_server.c")
PACKAGES = "on Debian: apt-get install gcc libc6-dev libmodbus-dev"


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server, compiled; the tests are skipped where that cannot be done."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip(f"no gcc on this machine ({PACKAGES})")
    target = tmp_path_factory.mktemp("libmodbus") / "server"
    command = [compiler, "-O1", "-Wall", f"-o{target}", str(SOURCE), "-I/usr/include/modbus", "-lmodbus"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if "modbus.h" in built.stderr or "-lmodbus" in built.stderr:
        pytest.skip(f"no libmodbus on this machine ({PACKAGES})")
    assert built.returncode == 0, built.stderr
    return target


@contextmanager
def crossed_terminals() -> Iterator[tuple[str, str]]:
    """Two serial ports, joined by a cable."""
    loop = asyncio.get_running_loop()
    ends = [os.openpty(), os.openpty()]
    for (source, port), (target, _) in ((ends[0], ends[1]), (ends[1], ends[0])):
        tty.setraw(port)
        loop.add_reader(source, lambda s=source, t=target: os.write(t, os.read(s, 4_096)))  # type: ignore[misc]
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        for controller, port in ends:
            loop.remove_reader(controller)
            os.close(controller)
            os.close(port)


@asynccontextmanager
async def running(binary: Path, *arguments: str) -> AsyncIterator[int]:
    """Run the server; give its port."""
    process = await asyncio.create_subprocess_exec(
        binary, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        # to the end of what it says too: a transport that is left open is a warning in some other test
        async with asyncio.timeout(30):
            await process.communicate()


@pytest.fixture(params=["tcp", "rtu"])
async def link(request: pytest.FixtureRequest, binary: Path) -> AsyncIterator[ModbusLink]:
    """A link to it over each transport that it has."""
    unit = UnitSettings(device="libmodbus", request_timeout_s=5.0)
    if request.param == "tcp":
        async with running(binary, "tcp") as port:
            opened = await Line(TcpPlace(host="127.0.0.1", port=port, connect_timeout_s=20)).join(unit)()
            assert isinstance(opened, ModbusLink)
            yield opened
            await opened.close()
        return
    with crossed_terminals() as (ours, its):
        async with running(binary, "rtu", its):
            place = SerialPlace(path=ours, baud=115_200, parity=Parity.NONE)
            opened = await Line(place).join(unit)()
            assert isinstance(opened, ModbusLink)
            yield opened
            await opened.close()


async def test_all_four_kinds_are_read(link: ModbusLink) -> None:
    """Functions 1 to 4, from one address to the largest block."""
    for kind, first in ((HOLDING, 1000), (RegisterKind.INPUT_REGISTER, 2000)):
        for count in (1, 2, 125):
            read = await link.read(Block(kind=kind, address=7, count=count))
            assert read.data.tolist() == list(range(first + 7, first + 7 + count))
    for count in (1, 8, 9, 399):
        coils = await link.read(Block(kind=COIL, address=1, count=count))
        assert coils.data.tolist() == [n % 2 == 1 for n in range(1, 1 + count)]
        inputs = await link.read(Block(kind=RegisterKind.DISCRETE_INPUT, address=0, count=count))
        assert inputs.data.tolist() == [n % 3 == 0 for n in range(count)]


async def test_what_is_written_is_read_back(link: ModbusLink) -> None:
    """Functions 5, 6, 15, 16, 22 and 23."""
    await link.write(HOLDING, 10, [0x1234])
    await link.write(HOLDING, 11, [1, 2, 3])
    assert (await link.read(Block(kind=HOLDING, address=10, count=4))).data.tolist() == [0x1234, 1, 2, 3]
    await link.write(COIL, 0, [1])
    await link.write(COIL, 1, [0, 1, 1, 0, 0, 0, 0, 0, 1])
    coils = await link.read(Block(kind=COIL, address=0, count=10))
    assert coils.data.tolist() == [bool(bit) for bit in (1, 0, 1, 1, 0, 0, 0, 0, 0, 1)]
    await link.mask_write(10, and_mask=0xFF0F, or_mask=0x0050)
    assert (await link.read(Block(kind=HOLDING, address=10, count=1))).data.tolist() == [0x1254]
    both = await link.read_write(Block(kind=HOLDING, address=20, count=3), 21, [7, 8])
    assert both.data.tolist() == [1020, 7, 8]


async def test_what_it_refuses_is_a_refusal(link: ModbusLink) -> None:
    """An address behind the last one; the link goes on."""
    with pytest.raises(RefusedError) as caught:
        await link.read(Block(kind=HOLDING, address=399, count=2))
    assert caught.value.exception_code == 2
    assert (await link.read(Block(kind=HOLDING, address=399, count=1))).data.tolist() == [1399]


async def test_it_is_asked_which_functions_it_knows(link: ModbusLink) -> None:
    """The four that read; what may write is not tried."""
    assert [await link.knows(code) for code in (1, 2, 3, 4)] == [True] * 4
    with pytest.raises(DefinitionError, match="function 6 is none that only reads"):
        await link.knows(6)
