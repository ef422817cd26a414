"""A whole check against a simulated tool over real sockets, with and without a database and a daemon."""

import asyncio
import csv
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hal.parameter import WordOrder
from recorder.check.run import Checked, run_check
from recorder.check.verdict import Line, Report, Verdict
from recorder.config.file import Config, load
from recorder.database import single_session
from recorder.definitions.export import write_definition_file
from recorder.definitions.file import read_definition_file
from recorder.definitions.importing import write
from recorder.errors import AlreadyRunningError, UsageError
from recorder.instance import only_recorder_of
from simulator.parameter_map import definitions_path
from simulator.tool import SimulatedTool
from tests.hal.certificates import Certificates

MAP = definitions_path()


@asynccontextmanager
async def tool() -> AsyncIterator[int]:
    """The port of a simulated tool that stands at its set-values."""
    async with SimulatedTool(port=0, speed=10) as simulated:
        yield simulated.description.port


def configured(folder: Path, port: int, *, dsn: str = "", device: str = "") -> Config:
    """A configuration of this tool in this folder."""
    path = folder / "config.toml"
    path.write_text(
        f'[recorder]\nmachine = "Test tool"\n[database]\ndsn = "{dsn}"\n[devices.plc]\nport = {port}\n{device}\n',
        encoding="utf-8",
    )
    return load(path)


async def checked(config: Config, **options: object) -> tuple[Report, Checked]:
    """The report of a check that watches no longer than it must."""
    report = Report()
    result = await run_check(config, report, watched_s=0.01, **options)  # type: ignore[arg-type]
    return report, result


def changed_map(path: Path, change: Callable[[dict[str, str]], None]) -> Path:
    """The simulator's map with every row changed."""
    with MAP.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


HEATERS = ("Chamber Heater", "Frontline Heater", "Backline Heater", "Precursor 1 Heater")
"""Those that are warm: a bottle at room temperature may look sound at a wrong address."""


def lines_of(report: Report, section: str, verdict: Verdict | None = None) -> list[Line]:
    """Lines of a section, all or those of one verdict."""
    return [line for line in report.lines if line.section.startswith(section) and verdict in {None, line.verdict}]


async def test_a_sound_tool_has_no_fault(tmp_path: Path) -> None:
    """Every parameter of the simulator's map passes, each by a line with its words and orders."""
    async with tool() as port:
        report, result = await checked(configured(tmp_path, port), file=MAP)
    assert report.is_well, [line.message for line in report.lines if line.verdict is Verdict.FAULT]
    assert result.corrections.changes == {}
    parameters = lines_of(report, "Parameters of plc")
    assert len(parameters) == len(read_definition_file(MAP).definitions)
    [chamber] = [line for line in parameters if line.data["parameter"] == "Chamber Heater/temperature_read"]
    assert chamber.data["plausible"] == ["CDAB"]
    assert chamber.data["value"] == pytest.approx(200, abs=3)
    device = [line.message for line in lines_of(report, "Device plc")]
    assert any("answers functions 1, 2, 3, 4" in message for message in device)
    assert any(message.startswith("every 100 ms: 161 parameters in 6 requests") for message in device)
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("mistake", ["word order", "off by one"])
async def test_a_mistake_of_the_whole_map_is_named_once_and_its_correction_is_sound(
    tmp_path: Path, mistake: str
) -> None:
    """The corrected file passes a second check."""

    def change(row: dict[str, str]) -> None:
        if mistake == "word order":
            row["word_order"] = row["word_order"].replace("CDAB", "ABCD")
        elif "register" in row["modbus_type"]:
            row["modbus_address"] = str(int(row["modbus_address"]) + 1)

    wrong = changed_map(tmp_path / "wrong.csv", change)
    async with tool() as port:
        config = configured(tmp_path, port)
        report, result = await checked(config, file=wrong)
        assert not report.is_well
        common = "word_order CDAB" if mistake == "word order" else "address -1"
        assert lines_of(report, "Parameters of plc")[0].message.endswith(f"make sense with {common}")
        assert result.source is not None
        fixed = tmp_path / "fixed.csv"
        write_definition_file(fixed, result.corrections.apply(result.source.definitions))
        again, _ = await checked(config, file=fixed)
    temperatures = [
        (definition.address, definition.word_order)
        for definition in read_definition_file(fixed).definitions
        if definition.name == "temperature_read" and definition.component in HEATERS
    ]
    assert temperatures == [(a, WordOrder.CDAB) for a in (2018, 2034, 2054, 2110)]
    doubtful = {line.message for line in lines_of(again, "Parameters of plc", Verdict.FAULT)}
    # an address that is refused and whose neighbour says 0 shows nothing of the mistake
    assert all("refuse" in message for message in doubtful), doubtful


async def test_the_front_panel_decides_between_celsius_and_fahrenheit(tmp_path: Path) -> None:
    """What the engineer typed in is compared, and the remedy can be written down."""
    async with tool() as port:
        report, result = await checked(
            configured(tmp_path, port), file=MAP, expected=["Chamber Heater/temperature_read=93.3"]
        )
    [line] = [line for line in report.lines if line.data.get("parameter") == "Chamber Heater/temperature_read"]
    assert line.verdict is Verdict.FAULT
    assert "°F from the device" in line.notes[-1]
    assert set(result.corrections.changes["Chamber Heater/temperature_read"]) >= {"scale", "offset"}


async def test_an_expectation_of_no_parameter_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    """With the name that was meant."""
    with pytest.raises(UsageError, match="did you mean 'Chamber Heater/temperature_read'"):
        await checked(configured(tmp_path, 1), file=MAP, expected=["Chamber Heater/temperature_reed=25"])


async def test_a_tool_that_is_away_and_a_name_that_does_not_resolve_are_faults_in_one_line(tmp_path: Path) -> None:
    """The rest is still checked."""
    async with tool() as port:
        pass
    report, _ = await checked(configured(tmp_path, port), file=MAP)
    [line] = lines_of(report, "Device plc", Verdict.FAULT)
    assert f"connect to 127.0.0.1:{port}: " in line.message
    assert lines_of(report, "Disk")
    nowhere = configured(tmp_path, 502, device='host = "plc.invalid"')
    report, _ = await checked(nowhere, file=MAP)
    [line] = lines_of(report, "Device plc", Verdict.FAULT)
    assert "plc.invalid" in line.message
    assert "give the IP address" in line.message


async def test_an_expired_certificate_is_a_fault_that_says_what_to_renew(tmp_path: Path) -> None:
    """In one line, as every fault of a device; nothing is sent to a device that does not prove who it is."""
    certificates = Certificates(tmp_path / "certificates", expired=True)
    asked = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read())
        writer.close()

    context = certificates.server_context()
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        tls = f'transport = "tls"\ntls_ca = "{certificates.authority}"\nconnect_timeout_s = 5'
        report, _ = await checked(configured(tmp_path, port, device=tls), file=MAP)
    [line] = lines_of(report, "Device plc", Verdict.FAULT)
    assert line.message.startswith(
        f"connect to 127.0.0.1:{port}: the device's certificate has expired: renew it on the device, if 2"
    )
    assert not lines_of(report, "Parameters of plc")
    assert asked == []


async def test_an_interval_that_cannot_be_kept_and_a_memory_that_is_not_one_are_faults(tmp_path: Path) -> None:
    """Both are said before the run, with what would do."""

    def hurry(row: dict[str, str]) -> None:
        row["scan_interval_ms"] = "5"

    async with tool() as port:
        hasty = changed_map(tmp_path / "hasty.csv", hurry)
        settings = "one_register_image = true\nmax_registers = 8\nmax_register_gap = 0\nmax_bits = 1\nmax_bit_gap = 0"
        report, _ = await checked(configured(tmp_path, port, device=settings), file=hasty)
    faults = [line.message for line in lines_of(report, "Device plc", Verdict.FAULT)]
    assert any("are not one memory" in message for message in faults), [line.message for line in report.lines]
    assert any("impossible; scan_interval_ms = " in message for message in faults)
    assert not lines_of(report, "Parameters of plc", Verdict.NOT_ASKED)


async def test_the_time_of_a_scan_is_that_of_requests_side_by_side(tmp_path: Path) -> None:
    """As many as `connections` and `requests_in_flight` let go out at once; the line says how many."""
    small = "max_registers = 8\nmax_register_gap = 0"
    async with tool() as port:
        one, _ = await checked(configured(tmp_path, port, device=small), file=MAP)
        settings = f"{small}\nrequests_in_flight = 8"
        several, _ = await checked(configured(tmp_path, port, device=settings), file=MAP)
    for report, is_said in ((one, False), (several, True)):
        [plan] = [line.message for line in lines_of(report, "Device plc") if line.message.startswith("every 100 ms")]
        assert (" requests, 8 at a time, about " in plan) is is_said, plan


async def test_plans_are_those_that_are_really_read(tmp_path: Path) -> None:
    """Step and recipe are read at the interval of the run state, whatever their own: the time of that plan counts."""

    def slow_step(row: dict[str, str]) -> None:
        if row["parameter"] == "step_number":
            row["scan_interval_ms"] = "5000"

    roles = '[process]\nrun_state = "Process/run_state"\nstep = "Process/step_number"'
    async with tool() as port:
        slow = changed_map(tmp_path / "slow.csv", slow_step)
        without, _ = await checked(configured(tmp_path, port), file=slow)
        report, _ = await checked(configured(tmp_path, port, device=roles), file=slow)
    assert any(line.message.startswith("every 5000 ms: 1 parameter ") for line in lines_of(without, "Device plc"))
    assert not any(line.message.startswith("every 5000 ms") for line in lines_of(report, "Device plc"))


async def test_a_role_or_a_heartbeat_that_no_parameter_plays_is_told_and_the_rest_checked(tmp_path: Path) -> None:
    """The recorder would not start with it."""
    wrong = 'heartbeat = "PLC/beat"\n[process]\nrun_state = "Process/state"'
    async with tool() as port:
        report, _ = await checked(configured(tmp_path, port, device=wrong), file=MAP)
    [role] = [line for line in lines_of(report, "Definitions", Verdict.WARNING) if "process.run_state" in line.message]
    assert "'Process/state': no such parameter" in role.message
    [beat] = lines_of(report, "Device plc", Verdict.FAULT)
    assert beat.message.startswith("devices.plc.heartbeat: 'PLC/beat'")
    assert lines_of(report, "Parameters of plc", Verdict.OK)


async def test_a_device_says_who_it_is(tmp_path: Path) -> None:
    """By function 43, which the simulator answers as a PLC would."""
    async with tool() as port:
        report, _ = await checked(configured(tmp_path, port), file=MAP)
    [line] = [line for line in lines_of(report, "Device plc") if "identification" in line.data]
    assert line.message.startswith("says that it is ")
    assert line.data["identification"]["vendor"] in line.message


async def test_a_database_is_checked_for_version_schema_rights_clock_and_distance(
    tmp_path: Path, database_url: str
) -> None:
    """And its definitions are those that are checked."""
    async with single_session(database_url, "ald") as session:
        await write(session, "Test tool", read_definition_file(MAP))
    async with tool() as port:
        report, _ = await checked(configured(tmp_path, port, dsn=database_url))
    assert report.is_well
    messages = [line.message for line in lines_of(report, "Database", Verdict.OK)]
    for part in ("PostgreSQL 1", "is up to date", "may insert", "a round trip takes", "its clock is"):
        assert any(part in message for message in messages), part
    count = len(read_definition_file(MAP).definitions)
    assert f"{count} parameters of the database" in lines_of(report, "Definitions")[0].message


async def test_a_database_without_tables_is_a_fault_with_its_remedy(tmp_path: Path, empty_database_url: str) -> None:
    """One command brings it up to date."""
    report, result = await checked(configured(tmp_path, 1, dsn=empty_database_url))
    [line] = lines_of(report, "Database", Verdict.FAULT)
    assert "has no tables yet: ald-recorder database migrate" in line.message
    assert result.source is None


async def test_devices_are_left_to_a_recorder_that_holds_them_and_does_not_answer(tmp_path: Path) -> None:
    """Nobody opens a line that somebody else holds."""
    async with tool() as port:
        config = configured(tmp_path, port)
        with only_recorder_of(config.recorder.data_directory), pytest.raises(AlreadyRunningError):
            await checked(config, file=MAP)


async def test_no_recorder_starts_on_the_devices_while_they_are_checked(tmp_path: Path) -> None:
    """Where one ran before, its lock is held for the length of the check."""
    async with tool() as port:
        config = configured(tmp_path, port)
        with only_recorder_of(config.recorder.data_directory):
            pass
        started = asyncio.Event()
        report = Report(tell=lambda line: started.set() if line.section.startswith("Device") else None)
        running = asyncio.create_task(run_check(config, report, file=MAP, watched_s=0.2))
        await started.wait()
        with pytest.raises(AlreadyRunningError), only_recorder_of(config.recorder.data_directory):
            pass
        await running
