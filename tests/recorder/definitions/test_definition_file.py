"""The CSV file of an engineer: understood whole, or refused with file and line."""

from collections import Counter
from pathlib import Path

import pytest

from hal.parameter import DataType, RegisterKind, WordOrder
from recorder.definitions.file import KNOWN_COLUMNS, read_definition_file
from recorder.definitions.importing import ROW_BYTES, estimate
from recorder.errors import UsageError
from tests.recorder.definition_sets import HEADER, REAL_MAP, write_csv


def test_every_column_is_understood(tmp_path: Path) -> None:
    """One row with all of them."""
    values = {
        "component": "Heater 1",
        "parameter": "temperature",
        "unit": "°C",
        "min_value": "0",
        "max_value": "1e3",
        "set_value": "25.5",
        "current_value": "whatever",
        "is_writable": "TRUE",
        "modbus_type": "Holding_Register",
        "modbus_address": "2000",
        "data_type": "float",
        "plc_symbol": "R_TC",
        "device": "plc2",
        "word_order": "badc",
        "bit": "",
        "scale": "0.1",
        "offset": "-5",
        "write_address": "2010",
        "set_value_parameter": "Heater 1/temperature",
        "range_low": "-20",
        "range_high": "1200",
        "sentinels": "0x8002; -1.5 32767",
        "tolerance": "0.5",
        "scan_interval_ms": "250",
        "coherence_group": "heater",
    }
    assert set(values) == set(KNOWN_COLUMNS)
    path = write_csv(tmp_path, ",".join(values.values()), header=",".join(values))
    file = read_definition_file(path)
    assert [finding.code for finding in file.findings] == ["coherence_group_alone"]
    [d] = file.definitions
    assert d.model_dump(exclude={"id", "set_value_parameter_id"}) == {
        "component": "Heater 1",
        "name": "temperature",
        "unit": "°C",
        "device": "plc2",
        "register_kind": RegisterKind.HOLDING_REGISTER,
        "address": 2000,
        "data_type": DataType.FLOAT32,
        "word_order": WordOrder.BADC,
        "bit": None,
        "length": 0,
        "scale": 0.1,
        "offset": -5.0,
        "set_value_parameter": "Heater 1/temperature",
        "write_address": 2010,
        "set_value": 25.5,
        "min_value": 0.0,
        "max_value": 1000.0,
        "range_low": -20.0,
        "range_high": 1200.0,
        "sentinels": (32770.0, -1.5, 32767.0),
        "tolerance": 0.5,
        "scan_interval_ms": 250,
        "is_writable": True,
        "plc_symbol": "R_TC",
        "coherence_group": "heater",
    }


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    """Device plc, 100 ms, scale 1, the word order that is asked for; blank lines and a byte order mark are nothing."""
    path = tmp_path / "map.csv"
    path.write_bytes(f"\ufeff{HEADER}\r\n\r\n a , b ,,input_register, 7 ,INT16\r\n,,,,,\r\n".encode())
    [d] = read_definition_file(path, word_order=WordOrder.ABCD).definitions
    assert (d.full_name, d.device, d.scan_interval_ms, d.scale, d.offset) == ("a/b", "plc", 100, 1.0, 0.0)
    assert (d.address, d.data_type, d.word_order, d.is_writable) == (7, DataType.INT16, WordOrder.ABCD, False)
    [d] = read_definition_file(path).definitions
    assert d.word_order is WordOrder.CDAB


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ("holding_register,70000,uint16", "impossible_address"),
        ("holding_register,-1,uint16", "impossible_address"),
        ("holding_register,40001.5,uint16", "impossible_address"),
        ("holding_register,65535,float", "impossible_address"),
        ("register,5,uint16", "unknown_kind"),
        ("holding_register,5,quad", "unknown_type"),
        ("holding_register,5,ascii", "unknown_type"),
        ("holding_register,5,ascii:200", "unknown_type"),
        ("holding_register,5,int16:3", "unknown_type"),
        ("coil,5,float", "type_nonsense"),
        (",5,uint16", "not_configured"),
        ("coil,,binary", "not_configured"),
        ("coil,5,", "not_configured"),
    ],
)
def test_a_place_that_cannot_be_is_a_finding_and_makes_it_not_configured(
    tmp_path: Path, fields: str, code: str
) -> None:
    """The rest of the file is imported."""
    file = read_definition_file(write_csv(tmp_path, f"a,bad,,{fields}", "a,good,,coil,9,binary"))
    assert code in {finding.code for finding in file.findings if finding.line == 2}
    bad, good = file.definitions
    assert not bad.is_configured
    assert (bad.register_kind, bad.address, bad.data_type, bad.length) == (None, None, None, 0)
    assert good.is_configured


def test_text_has_a_length_in_words(tmp_path: Path) -> None:
    """ascii:8 is sixteen characters."""
    [d] = read_definition_file(write_csv(tmp_path, "a,name,,holding_register,5,ascii:8")).definitions
    assert (d.data_type, d.length) == (DataType.ASCII, 8)


def test_the_first_of_two_lines_of_one_name_is_used(tmp_path: Path) -> None:
    """And the second is named."""
    file = read_definition_file(write_csv(tmp_path, "a,b,,coil,1,binary", "a,b,,coil,2,binary"))
    assert [d.address for d in file.definitions] == [1]
    [finding] = file.findings
    assert (finding.code, finding.line) == ("duplicate_name", 3)
    assert "line 2 defines it already" in finding.message


def test_a_set_value_parameter_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    """Or every import after it would find a change."""
    path = write_csv(tmp_path, "a,b,,coil,1,binary,a/nothing", header=f"{HEADER},set_value_parameter")
    file = read_definition_file(path)
    assert [finding.code for finding in file.findings] == ["set_value_parameter_missing"]
    assert file.definitions[0].set_value_parameter == ""


@pytest.mark.parametrize("separator", ["\u2028", "\x0c", "\x85", "\x1c"])
def test_only_a_newline_ends_a_line(tmp_path: Path, separator: str) -> None:
    """What Python takes for a line end elsewhere may stand in a unit."""
    [d] = read_definition_file(write_csv(tmp_path, f"a,b,x{separator}y,coil,1,binary")).definitions
    assert d.unit == f"x{separator}y"


def test_a_quoted_field_may_hold_a_comma_and_a_newline(tmp_path: Path) -> None:
    """As a spreadsheet writes them; lines are still counted right."""
    file = read_definition_file(write_csv(tmp_path, '"a, 1",b,"x\ny",coil,1,binary', "c,d,,register,1,binary"))
    assert file.definitions[0].component == "a, 1"
    assert file.definitions[0].unit == "x\ny"
    assert [finding.line for finding in file.findings if finding.code == "unknown_kind"] == [4]


FAULTS = [
    ("scale", "much", "scale: 'much' is no number"),
    ("scale", "nan", "scale: 'nan' is no finite number"),
    ("min_value", "1e999", "min_value: '1e999' is no finite number"),
    ("bit", "16", "bit: '16' is no whole number from 0 to 15"),
    ("write_address", "65536", "write_address: '65536' is no whole number"),
    ("scan_interval_ms", "4", "scan_interval_ms: '4' is no whole number from 5 to 3600000"),
    ("is_writable", "perhaps", "is_writable: 'perhaps' is neither true nor false"),
    ("word_order", "ACBD", "word_order: 'ACBD' is none of ABCD, CDAB, BADC, DCBA"),
    ("sentinels", "0x8002 bad", "sentinels: '0x8002 bad' are not numbers"),
    ("sentinels", "nan", "sentinels: 'nan' are not numbers"),
    ("sentinels", "0x", "sentinels: '0x' are not numbers"),
]


@pytest.mark.parametrize(("column", "value", "message"), FAULTS)
def test_a_field_that_cannot_be_understood_refuses_the_file(
    tmp_path: Path, column: str, value: str, message: str
) -> None:
    """One line: file, line, column and what it says; nothing is imported."""
    path = write_csv(tmp_path, "a,good,,coil,1,binary,", f"a,bad,,coil,2,binary,{value}", header=f"{HEADER},{column}")
    with pytest.raises(UsageError) as caught:
        read_definition_file(path)
    assert str(caught.value).startswith(f"{path}:3: {message}")
    assert str(caught.value).endswith("; nothing was imported")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (HEADER.encode(), "it has a header but no parameters"),
        (b"component,parameter\na,b", ":1: column modbus_type is missing"),
        (f"{HEADER},colour\n".encode(), ":1: there is no column 'colour'"),
        (f"{HEADER},unit\n".encode(), ":1: column unit is there twice"),
        (f"{HEADER}\na,b,,coil,1\n".encode(), ":2: 5 fields instead of 6"),
        (f"{HEADER}\na,b,,coil,1,binary,x\n".encode(), ":2: 7 fields instead of 6"),
        (f'{HEADER}\n"a,b,,coil,1,binary\n'.encode(), ":2: not CSV"),
        (f"{HEADER}\n,b,,coil,1,binary\n".encode(), ":2: component is empty"),
        (f"{HEADER}\na,,,coil,1,binary\n".encode(), ":2: parameter is empty"),
        (f"{HEADER}\na,b,\xb0C,coil,1,binary\n".encode("latin-1"), ":2: not UTF-8 text"),
    ],
)
def test_a_file_with_faults_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    """It names the file, and the line where there is one."""
    path = tmp_path / "map.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_definition_file(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_faults_are_counted(tmp_path: Path) -> None:
    """The first is told in full."""
    lines = [f"a,p{n},,coil,{n},binary,x" for n in range(3)]
    with pytest.raises(UsageError, match=r":2: scale.*\(and 2 more lines with faults\)"):
        read_definition_file(write_csv(tmp_path, *lines, header=f"{HEADER},scale"))


@pytest.mark.parametrize("name", ["nothing.csv", ""])
def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, name: str) -> None:
    """Also where it is a folder."""
    with pytest.raises(UsageError, match="give the path of a CSV file"):
        read_definition_file(tmp_path / name)


def test_the_map_of_a_real_tool_is_read_with_its_nonsense_named() -> None:
    """137 parameters, 27 of them without an address; 110 are read by 6 requests."""
    if not REAL_MAP.exists():
        pytest.skip(f"the real tool's map is not on this machine ({REAL_MAP.name} in ../shared/data)")
    file = read_definition_file(REAL_MAP)
    assert len(file.definitions) == 137
    assert sum(d.is_configured for d in file.definitions) == 110
    assert Counter(finding.code for finding in file.findings) == {
        "not_configured": 27,
        "unit_nonsense": 7,
        "set_value_not_boolean": 2,
    }
    assert ("MFC 1/span_cal", "unit_nonsense") in {(f.parameter, f.code) for f in file.findings}
    load = estimate(file.definitions, {})
    assert load.requests_per_scan == 6
    assert load.rows_per_day == 110 * 864_000
    assert load.bytes_per_day == load.rows_per_day * ROW_BYTES
