"""Known devices against the pages that their registers were read on: numbers, frames and values as printed there."""

from importlib import resources
from pathlib import Path

import pytest

from hal.codec import decode
from hal.devices import KNOWN_DEVICES, SourceKind
from hal.devices.known import load_known_devices
from hal.link import Block
from hal.parameter import Parameter
from hal.plan import plans_by_interval
from recorder.definitions.file import DefinitionFile, read_definition_file

NAMES = ("alicat-mc", "bronkhorst-el-flow", "eurotherm-3200", "omega-cni", "prevac-mg15", "watlow-ez-zone")
IEEE_REGION = 0x8000


def file_of(name: str) -> DefinitionFile:
    """The definitions of a device, read as an import reads them."""
    with resources.as_file(KNOWN_DEVICES[name].definitions) as path:
        return read_definition_file(path)


def parameters_of(name: str) -> dict[str, Parameter]:
    """Parameters of a device by their short name."""
    numbered = enumerate(file_of(name).definitions, start=1)
    return {d.name: d.model_copy(update={"id": number}).to_parameter() for number, d in numbered}


def blocks_of(name: str) -> list[Block]:
    """Requests that read all of a device, with the settings that it should have."""
    limits = KNOWN_DEVICES[name].limits
    plans = plans_by_interval(parameters_of(name).values(), limits=limits)
    return [block for plan in plans.values() for block in plan.blocks]


def crc(frame: bytes) -> bytes:
    """Checksum of a frame on a serial line: MODBUS over Serial Line V1.02, section 6.2.2, low byte first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")


def request(unit: int, parameter: Parameter, words: int | None = None) -> bytes:
    """The frame that asks for a parameter."""
    count = parameter.words if words is None else words
    frame = bytes([unit, parameter.kind.function_code, *parameter.address.to_bytes(2), *count.to_bytes(2)])
    return frame + crc(frame)


def answered(parameter: Parameter, frame: str) -> float | str:
    """What an answer frame says; its checksum and byte count must be right."""
    answer = bytes.fromhex(frame)
    assert crc(answer[:-2]) == answer[-2:]
    data = answer[3:-2]
    assert len(data) == answer[2] == 2 * parameter.words
    return decode(parameter, [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)])


def test_the_devices_of_the_program_are_these() -> None:
    """A device that is added or lost is noticed."""
    assert tuple(KNOWN_DEVICES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_device_is_read_without_a_finding(name: str) -> None:
    """The same rules hold for them as for a file of an engineer, and all can be read."""
    content = file_of(name)
    assert content.findings == ()
    assert all(definition.is_configured for definition in content.definitions)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_names_its_sources(name: str) -> None:
    """A register without a source is not there, and no source stands for a register that is not there."""
    known, definitions = KNOWN_DEVICES[name], file_of(name).definitions
    assert [definition.name for definition in definitions] == list(known.row_sources)
    for sources in known.row_sources.values():
        assert sources
        assert all(source.title and source.place and source.address for source in sources)


@pytest.mark.parametrize("name", NAMES)
def test_every_register_is_in_a_manual_or_in_two_other_sources(name: str) -> None:
    """One exception is written down: channels of the MG15 that a driver alone shows."""
    for parameter, sources in KNOWN_DEVICES[name].row_sources.items():
        has_manual = any(source.kind is SourceKind.MANUAL for source in sources)
        assert has_manual or len(sources) > 1 or (name == "prevac-mg15" and parameter.endswith("_state"))
    if name == "prevac-mg15":
        assert any("driver alone" in note for note in KNOWN_DEVICES[name].notes)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_says_its_word_order_and_none_can_be_written(name: str) -> None:
    """The command line's word order changes nothing, and a known device is read until someone decides otherwise."""
    lines = KNOWN_DEVICES[name].definitions.read_text(encoding="utf-8").splitlines()
    column = lines[0].split(",").index("word_order")
    assert all(line.split(",")[column] for line in lines[1:])
    assert not any(definition.is_writable for definition in file_of(name).definitions)


@pytest.mark.parametrize("name", NAMES)
def test_every_device_has_one_component_and_notes(name: str) -> None:
    """An import can replace the component, and an engineer is told what to look out for."""
    known = KNOWN_DEVICES[name]
    assert {definition.component for definition in file_of(name).definitions} == {known.component}
    assert known.notes
    assert known.left_out
    assert known.models


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_of_a_device_make_a_plan(name: str) -> None:
    """What the configuration should say is understood, and no request is longer than the device allows."""
    most = KNOWN_DEVICES[name].limits.max_registers
    assert max(block.count for block in blocks_of(name)) <= most


def test_a_device_without_its_csv_is_refused(tmp_path: Path) -> None:
    """A damaged installation names the file that is missing."""
    (tmp_path / "gauge.toml").write_text("title = 'a gauge'")
    with pytest.raises(FileNotFoundError, match=r"gauge\.toml has no gauge\.csv"):
        load_known_devices(tmp_path)


@pytest.mark.parametrize(
    ("name", "parameter", "number", "address"),
    [
        ("watlow-ez-zone", "process_value", 360, 360),
        ("watlow-ez-zone", "control_mode", 1880, 1880),
        ("watlow-ez-zone", "closed_loop_set_point", 2160, 2160),
        ("watlow-ez-zone", "open_loop_set_point", 2162, 2162),
        ("eurotherm-3200", "process_value", 1, IEEE_REGION + 2),
        ("eurotherm-3200", "target_set_point", 2, 32_772),
        ("eurotherm-3200", "manual_output", 3, IEEE_REGION + 6),
        ("eurotherm-3200", "working_output", 4, IEEE_REGION + 8),
        ("eurotherm-3200", "working_set_point", 5, IEEE_REGION + 10),
        ("eurotherm-3200", "sensor_break", 75, 75),
        ("omega-cni", "set_point_1", 1, 1),
        ("omega-cni", "set_point_2", 2, 2),
        ("omega-cni", "reading_configuration", 8, 8),
        ("omega-cni", "process_value", 39, 39),
        ("alicat-mc", "set_point", 1010, 1009),
        ("alicat-mc", "pressure", 1203, 1202),
        ("alicat-mc", "flow_temperature", 1205, 1204),
        ("alicat-mc", "volumetric_flow", 1207, 1206),
        ("alicat-mc", "mass_flow", 1209, 1208),
        ("bronkhorst-el-flow", "measure", 33, 0x0020),
        ("bronkhorst-el-flow", "set_point", 34, 0x0021),
        ("bronkhorst-el-flow", "control_mode", 37, 0x0024),
        ("bronkhorst-el-flow", "alarm_info", 53, 0x0034),
        ("bronkhorst-el-flow", "capacity", 33_129, 0x8168),
        ("bronkhorst-el-flow", "flow", 41_217, 0xA100),
        ("bronkhorst-el-flow", "flow_set_point", 41_241, 0xA118),
        ("bronkhorst-el-flow", "temperature", 41_273, 0xA138),
        ("prevac-mg15", "channel_1_pressure", 0, 0),
        ("prevac-mg15", "channel_1_state", 2, 2),
        ("prevac-mg15", "channel_7_pressure", 18, 18),
        ("prevac-mg15", "channel_7_state", 20, 20),
    ],
)
def test_a_manuals_number_becomes_this_protocol_address(name: str, parameter: str, number: int, address: int) -> None:
    """Who counts from 1 and who from 0 is decided here once, manual by manual."""
    counted_from_1 = name in {"alicat-mc", "bronkhorst-el-flow"}
    in_ieee_region = name == "eurotherm-3200" and parameter != "sensor_break"
    assert address == (IEEE_REGION + 2 * number if in_ieee_region else number - counted_from_1)
    assert parameters_of(name)[parameter].address == address


def test_watlow_sends_the_low_word_of_75_degrees_first() -> None:
    """Communications manual, page 13: register 2160 is 0870 hex and holds 0000, 2161 holds 4296, together 75.0 °F."""
    set_point = parameters_of("watlow-ez-zone")["closed_loop_set_point"]
    assert set_point.address.to_bytes(2) == bytes.fromhex("0870")
    assert decode(set_point, [0x0000, 0x4296]) == 75.0
    assert file_of("watlow-ez-zone").definitions[0].unit == "°F"


def test_watlow_is_asked_for_its_process_value_as_its_manual_asks() -> None:
    """Communications manual, page 12: unit 1, function 3, register 01 68 hex, two registers."""
    assert request(1, parameters_of("watlow-ez-zone")["process_value"])[:6] == bytes.fromhex("01 03 01 68 00 02")


def test_eurotherm_sends_1_001_high_word_first() -> None:
    """Series 2000 handbook HA026230, page 7-4: 1.001 is 3F 80 20 C5 from the lower address on."""
    value = decode(parameters_of("eurotherm-3200")["process_value"], [0x3F80, 0x20C5])
    assert value == pytest.approx(1.001, abs=1e-7)


def test_eurotherm_tells_a_sensor_break_by_bit_5() -> None:
    """ACS 3216 manual, page 24: B5 is sensor break, B0 alarm 1, B10 over-range."""
    parameters = parameters_of("eurotherm-3200")
    words = {
        "alarm_1": 1,
        "alarm_2": 2,
        "sensor_break": 1 << 5,
        "loop_break": 1 << 6,
        "process_value_overrange": 1 << 10,
    }
    for name, word in words.items():
        assert {bit for bit in words if decode(parameters[bit], [word]) == 1.0} == {name}


def test_omega_reads_its_set_point_as_its_manual_prints_it() -> None:
    """Communication manual, page 38: question and answer of set-point 1, 03E8 hex, which is 100.0."""
    set_point = parameters_of("omega-cni")["set_point_1"]
    assert request(1, set_point) == bytes.fromhex("01 03 00 01 00 01 D5 CA")
    assert answered(set_point, "01 03 02 03 E8 B8 FA") == pytest.approx(100.0)


def test_omega_says_where_its_decimal_point_is() -> None:
    """Communication manual, page 39: register 8 answers 004A hex, whose lowest bits 010 mean FFF.F."""
    configuration = parameters_of("omega-cni")["reading_configuration"]
    assert request(9, configuration) == bytes.fromhex("09 03 00 08 00 01 04 80")
    answer = answered(configuration, "09 03 02 00 4A D8 72")
    assert isinstance(answer, float)
    assert int(answer) & 0b111 == 2


def test_omega_is_asked_for_one_register_at_a_time() -> None:
    """Communication manual, page 38: the number of registers is always 1."""
    assert {block.count for block in blocks_of("omega-cni")} == {1}


def test_alicat_takes_its_four_values_in_one_request_and_high_word_first() -> None:
    """Manual of 2023: registers 1203 to 1210, big-endian floats; its test says that address 1199 is refused."""
    assert decode(parameters_of("alicat-mc")["mass_flow"], [0x42C8, 0x0000]) == 100.0
    places = [(block.address, block.count) for block in blocks_of("alicat-mc")]
    assert places == [(1009, 2), (1202, 8)]


@pytest.mark.parametrize(("raw", "percent"), [(0, 0.0), (32_000, 100.0), (41_942, 131.07)])
def test_bronkhorst_measures_32000_as_100_percent(raw: int, percent: float) -> None:
    """EL-FLOW Prestige 9.17.084, page 28: 0…100 % is 0…32000, and 131.07 % is 41942."""
    assert decode(parameters_of("bronkhorst-el-flow")["measure"], [raw]) == pytest.approx(percent, abs=0.002)


def test_bronkhorst_sends_floats_high_word_first() -> None:
    """9.17.035, page 20: the first register holds the upper half."""
    assert decode(parameters_of("bronkhorst-el-flow")["flow"], [0x3F80, 0x0000]) == 1.0


def test_bronkhorst_answers_stay_within_its_longest_at_9600_baud() -> None:
    """9.17.061, page 23: 100 bytes at most: unit, function, count, words, checksum."""
    most = KNOWN_DEVICES["bronkhorst-el-flow"].settings["max_registers"]
    assert 3 + 2 * most + 2 <= 100 < 3 + 2 * (most + 1) + 2


def test_the_gauge_sends_1_001_high_word_first() -> None:
    """MG15 manual rev. 03, page 99, table 6.11: 1.001 is 3F 80 20 C5."""
    value = decode(parameters_of("prevac-mg15")["channel_1_pressure"], [0x3F80, 0x20C5])
    assert value == pytest.approx(1.001, abs=1e-7)


def test_the_gauge_is_asked_for_value_and_state_with_the_letters_that_its_manual_kept() -> None:
    """MG15 manual, page 93, copied without digits: of the question for value and status C and B are left."""
    frame = request(1, parameters_of("prevac-mg15")["channel_1_pressure"], words=3)
    assert "".join(letter for letter in frame.hex().upper() if letter.isalpha()) == "CB"
