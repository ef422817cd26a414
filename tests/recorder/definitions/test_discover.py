"""Discovery of the simulated tool over a real socket, of units in memory, and of what a person typed wrong."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hal.errors import NotConnectedError
from hal.limits import AddressRange
from hal.link import Connect
from hal.memory import MemoryDevice
from hal.modbus import ModbusTcpSettings, tcp_link
from hal.parameter import DataType, RegisterKind, WordOrder
from recorder.cli.discover import parse_units
from recorder.config.file import load
from recorder.definitions.discover import Discovery, FoundUnit, Search, discover
from recorder.definitions.export import write_definition_file
from recorder.definitions.file import read_definition_file
from recorder.definitions.skeleton import make_skeleton
from recorder.errors import UsageError
from simulator.errors import RequestRefusedError
from simulator.memory import Unit
from simulator.parameter_map import definitions_path
from simulator.server import serve
from simulator.tool import SimulatedTool
from tests.contract.servers import modbus_subject
from tests.hal.echo import echoing_gateway
from tests.simulator.served import small_unit

HOLDING = RegisterKind.HOLDING_REGISTER
pytestmark = pytest.mark.timeout(300)  # up to four programs one after the other, each of which has to start


def of_port(port: int) -> Connect:
    """What opens a link to unit 1 there."""
    return tcp_link(
        ModbusTcpSettings(device="unit", host="127.0.0.1", port=port, request_timeout_s=1, connect_timeout_s=20)
    )


async def of_the_simulated_tool() -> FoundUnit:
    """What is found of the simulated tool."""
    async with SimulatedTool(port=0, speed=1) as tool:
        found = Discovery(place="tool")
        port = tool.description.port
        await discover(Search(units=[1], last=4_000, rate_per_s=1e5), lambda _unit: of_port(port), found)
    assert found.is_complete
    [unit] = found.units
    return unit


async def test_every_register_of_the_simulators_map_is_found() -> None:
    """And the four functions that read."""
    unit = await of_the_simulated_tool()
    assert unit.functions == {1: "answered", 2: "answered", 3: "known", 4: "known"}
    parameters = [d.to_parameter() for d in read_definition_file(definitions_path()).definitions]
    for parameter in parameters:
        assert any(
            its.kind is parameter.kind and its.first <= parameter.address and parameter.last_address <= its.last
            for its in unit.ranges
        ), parameter.name


async def test_the_skeleton_reads_back_and_guesses_the_floats_and_their_order(tmp_path: Path) -> None:
    """It can be checked and completed as it is."""
    unit = await of_the_simulated_tool()
    write_definition_file(tmp_path / "out.csv", make_skeleton("plc", unit.ranges, unit.words))
    content = read_definition_file(tmp_path / "out.csv")
    assert not [finding for finding in content.findings if finding.severity == "error"]
    guessed = {(d.register_kind, d.address): d for d in content.definitions}
    chamber = guessed[RegisterKind.INPUT_REGISTER, 2018]
    assert (chamber.data_type, chamber.word_order) == (DataType.FLOAT32, WordOrder.CDAB)


async def test_silent_units_are_listed_and_the_same_unit_is_searched_once() -> None:
    """Many devices answer to any unit identifier."""
    device, other = MemoryDevice("device"), MemoryDevice("other")
    for memory in (device, other):
        for kind in RegisterKind:
            memory.refuse(kind, range(100, 65_536))
    device.put_raw(HOLDING, 7, [11, 12])
    other.put_raw(HOLDING, 7, [13])
    away = MemoryDevice("away")
    away.become_unreachable()
    devices = {1: device, 2: device, 3: other, 4: away}
    found = Discovery(place="gateway")
    await discover(Search(units=[1, 2, 3, 4], last=999, rate_per_s=1e6), lambda unit: devices[unit].connect, found)
    assert [(unit.unit, unit.same_as) for unit in found.units] == [(1, None), (2, 1), (3, None)]
    assert found.silent == [4]
    assert {(r.first, r.last) for r in found.units[0].ranges} == {(0, 99)}
    assert found.requests == sum(len(memory.addresses) for memory in (device, other))


async def test_a_place_where_nobody_listens_is_an_error() -> None:
    """Not an empty answer."""
    away = MemoryDevice("away")
    away.become_unreachable()
    with pytest.raises(NotConnectedError):
        await discover(Search(units=[1, 2]), lambda _unit: away.connect, Discovery(place="x"))


async def test_nothing_is_ever_written() -> None:
    """The registers of a device are what they were."""
    device = MemoryDevice("device")
    device.put_raw(HOLDING, 0, range(100))
    await discover(Search(units=[1], last=200, rate_per_s=1e6), lambda _unit: device.connect, Discovery(place="device"))
    assert device.get_raw(HOLDING, 0, 100).tolist() == list(range(100))


def test_a_counter_beside_a_float_stays_a_whole_number() -> None:
    """Floats are guessed where two registers make one, not one register later."""
    words = {(HOLDING, at): word for at, word in enumerate((0x0860, 0x4348, 0, 0xB009, 0x3D4F, 383))}
    found = make_skeleton("plc", [AddressRange(kind=HOLDING, first=0, last=5)], words)
    assert [(d.address, d.data_type) for d in found] == [
        (0, DataType.FLOAT32),
        (3, DataType.FLOAT32),
        (5, DataType.UINT16),
    ]


def test_units_are_typed_as_ranges() -> None:
    """As on the front page of a manual."""
    assert parse_units("1-3, 247,2") == [1, 2, 3, 247]
    for wrong in ("", "1-", "3-1", "256", "a"):
        with pytest.raises(UsageError, match="--units"):
            parse_units(wrong)


def command(*arguments: str) -> list[str]:
    """The command line of a discovery."""
    return [sys.executable, "-m", "recorder", "discover", *arguments]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("plc.invalid",), 3, "plc.invalid:502: the host name does not resolve"),
        (("127.0.0.1:99999",), 2, "port: Input should be less than or equal to 65535"),
        (("127.0.0.1:abc",), 2, "is not HOST or HOST:PORT"),
        (("127.0.0.1", "--addresses", "0-65536"), 2, "--addresses: '0-65536' is no range within 0-65535"),
        (("/dev/no-such-port",), 3, "there is no such port"),
        (("/dev/ttyS0", "--baud", "1"), 2, "baud"),
        (("/dev/ttyS0", "--tls-ca", "ca.pem"), 2, "tls_ca means nothing where transport is rtu: it belongs to"),
        (("127.0.0.1", "--tls-key", "key.pem"), 2, "tls_key needs the tls_certificate that it belongs to"),
        (("127.0.0.1", "--echo"), 2, "echo means nothing where transport is tcp"),
    ],
)
def test_what_cannot_be_is_one_line_and_a_status(
    tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    """2 for what was typed, 3 for what is not there."""
    done = subprocess.run(command(*arguments), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


async def ended(process: asyncio.subprocess.Process) -> None:
    """End it, however the test went: a transport that is left is a warning in some other test."""
    if process.returncode is None:
        process.kill()
        await process.communicate()


async def discovered(folder: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, what was found, and what was said of faults."""
    process = await asyncio.create_subprocess_exec(
        *command(*arguments, "--units", "1", "--addresses", "0-400", "--rate", "1000", "--json"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        printed, said = await process.communicate()
    finally:
        await ended(process)
    return process.returncode or 0, json.loads(printed) if printed else {}, said.decode()


async def test_a_device_behind_tls_is_looked_at_with_the_certificates_of_a_device(tmp_path: Path) -> None:
    """It wants ours, and its own is verified; without ours it says what it may want."""
    async with modbus_subject("tls", tmp_path) as subject:
        place = f"127.0.0.1:{subject.port}"
        ours = ("--tls-certificate", "recorder.pem", "--tls-key", "recorder.key")
        status, found, said = await discovered(tmp_path, place, "--tls-ca", "authority.pem", *ours)
        assert (status, found["complete"]) == (0, True), said
        assert [(r["first"], r["last"]) for r in found["units"][0]["ranges"]] == [(0, 303)] * 4
        status, found, said = await discovered(tmp_path, place, "--tls-ca", "authority.pem")
        assert status == 3
        assert "it may want another tls_certificate" in said
        status, found, said = await discovered(tmp_path, place, "--tls")
        assert (status, found) == (3, {})
        assert "signed by none of this computer's authorities: set tls_ca" in said
        named = ("--tls-server-name", "plc.example")
        status, found, said = await discovered(tmp_path, place, "--tls-ca", "authority.pem", *ours, *named)
        assert status == 3
        assert "certificate is not for 'plc.example'" in said


async def test_what_is_printed_fits_a_terminal_and_ends_with_a_section_for_the_configuration(tmp_path: Path) -> None:
    """What was found can be checked at once: the section is read back as it stands."""
    async with serve({1: small_unit()}, host="127.0.0.1", port=0) as port:
        process = await asyncio.create_subprocess_exec(
            *command(f"127.0.0.1:{port}", "--units", "1,3", "--addresses", "1990-2200", "--rate", "1000"),
            *("--output", "out.csv"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            printed, _ = await process.communicate()
        finally:
            await ended(process)
    lines = printed.decode().splitlines()
    assert process.returncode == 0
    assert max(map(len, lines)) <= 80
    assert "  holding_register 2000..2124: 125 registers, 125 not 0" in lines
    assert "no answer from unit 3" in lines
    section = [line.strip() for line in lines[lines.index("for config.toml:") + 1 : lines.index("then")]]
    (tmp_path / "config.toml").write_text("\n".join(section), encoding="utf-8")
    plc = load(tmp_path / "config.toml").devices["plc"]
    assert (plc.host, plc.port, plc.unit) == ("127.0.0.1", port, 1)


async def test_an_adapter_that_echoes_is_named_with_the_option_that_helps(tmp_path: Path) -> None:
    """And with it the unit behind is found."""
    async with modbus_subject("rtu_over_tcp", tmp_path) as subject, echoing_gateway(subject.port) as port:
        place = f"127.0.0.1:{port}"
        status, found, said = await discovered(tmp_path, place, "--rtu-over-tcp")
        assert status == 1, said
        assert found["trouble"] == "the adapter echoes what is sent: repeat it with --echo"
        status, found, said = await discovered(tmp_path, place, "--rtu-over-tcp", "--echo")
        assert status == 0, said
        assert found["units"][0]["functions"] == dict.fromkeys("1234", "answered")


class Watched:
    """A device with 500 registers of each kind, that says when it was asked a while."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event
        self._reads = 0

    def read(self, kind: RegisterKind, address: int, count: int) -> list[int]:
        self._reads += 1
        if self._reads >= 30:
            self._event.set()
        if address + count > 500:
            raise RequestRefusedError(exception_code=2, reason=f"{kind} {address} is not here")
        return [1] * count

    def write(self, kind: RegisterKind, address: int, words: Sequence[int]) -> None:
        raise AssertionError(f"{kind} {address} was written: {words}")


async def test_ctrl_c_shows_what_was_found_so_far(tmp_path: Path) -> None:
    """A search of hours is stopped after a minute, and the minute is not lost."""
    asked = asyncio.Event()
    async with serve({1: Unit(memory=Watched(asked))}, host="127.0.0.1", port=0) as port:
        process = await asyncio.create_subprocess_exec(
            *command(f"127.0.0.1:{port}", "--units", "1", "--rate", "200", "--json", "--output", "out.csv"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await asked.wait()
            process.send_signal(signal.SIGINT)
            printed, _ = await process.communicate()
        finally:
            await ended(process)
    answer = json.loads(printed)
    assert (process.returncode, answer["complete"]) == (130, False)
    assert answer["units"][0]["ranges"][0] == {"kind": "coil", "first": 0, "last": 499}
    assert read_definition_file(tmp_path / "out.csv").definitions
