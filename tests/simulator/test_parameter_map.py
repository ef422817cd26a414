"""The tool's definitions file, and what is said about a broken one."""

import csv
from pathlib import Path

import pytest

from hal.parameter import DataType, RegisterKind, WordOrder
from hal.plan import plans_by_interval
from simulator.controls import initial_settings
from simulator.errors import MapError
from simulator.parameter_map import definitions_path, load
from simulator.recipe import al2o3
from simulator.registers import RegisterMap
from simulator.tool_model import HEATERS, SMALL_TOOL

REAL_MAP = Path(__file__).parents[3] / "shared" / "data" / "ald_plc_map.csv"

HEADER = (
    "component,parameter,unit,min_value,max_value,set_value,current_value,is_writable,"
    "modbus_type,modbus_address,data_type,plc_symbol"
)
GOOD = "Gauge,pressure,Torr,0,10,,0,false,input_register,10,float,R_P"


def written(folder: Path, *lines: str) -> Path:
    """Write a definitions file below the usual header."""
    path = folder / "map.csv"
    path.write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    return path


def test_the_map_has_192_parameters_none_of_which_overlap() -> None:
    """Making a register map of it refuses two owners of one address."""
    definitions = load(definitions_path())
    assert len(definitions) == 192
    assert len(RegisterMap(definitions).names) == 192


def test_the_fast_signals_lie_in_one_block_of_68_words_and_nothing_else_is_fast() -> None:
    """One request of 20 ms reads run state to interlock word, every pulse counter, width and peak."""
    fast = [d.parameter for d in load(definitions_path()) if d.parameter.scan_interval_ms == 20]
    words = sorted(address for parameter in fast for address in range(parameter.address, parameter.last_address + 1))
    assert words == list(range(3000, 3068))
    assert {parameter.kind for parameter in fast} == {RegisterKind.INPUT_REGISTER}
    assert {d.parameter.scan_interval_ms for d in load(definitions_path())} == {20, 100}


def test_the_recorders_read_plan_needs_one_fast_request_and_six_slow_ones() -> None:
    """With the default span and gap: coils, discrete inputs, two blocks each of holding and of input registers."""
    plans = plans_by_interval([d.parameter for d in load(definitions_path())])
    assert {interval_ms: len(plan.blocks) for interval_ms, plan in plans.items()} == {20: 1, 100: 6}


def test_two_word_values_have_the_low_word_first() -> None:
    """CDAB, as in the real PLC."""
    two_words = [d.parameter for d in load(definitions_path()) if d.parameter.words == 2]
    assert len(two_words) > 20
    assert {parameter.word_order for parameter in two_words} == {WordOrder.CDAB}


def test_addresses_of_the_real_map_are_kept() -> None:
    """Set-value and read-back apart, where the real PLC has them."""
    at = {d.parameter.name: (d.parameter.kind.value, d.parameter.address) for d in load(definitions_path())}
    assert at["Chamber Heater/temperature_set"] == ("holding_register", 2000)
    assert at["Chamber Heater/temperature_read"] == ("input_register", 2018)
    assert at["Precursor 1 Heater/temperature_set"] == ("holding_register", 2112)
    assert at["MFC 1/flow_read"] == ("input_register", 2082)
    assert at["Precursor 1 Heater/power_on"] == ("coil", 23)
    assert at["Valve 2/valve_state"] == ("coil", 16)


@pytest.mark.skipif(not REAL_MAP.is_file(), reason=f"the map of the real tool is not at {REAL_MAP}")
def test_every_addressed_parameter_of_the_real_map_is_where_it_is_there() -> None:
    """Kind, address and type of all 110 are those of the real PLC, whatever the parameter is called."""
    ours = {
        (d.parameter.kind.value, d.parameter.address): d.parameter.data_type.value for d in load(definitions_path())
    }
    with REAL_MAP.open(encoding="utf-8", newline="") as file:
        real = [row for row in csv.DictReader(file) if row["modbus_address"]]
    assert len(real) == 110
    for row in real:
        data_type = {"float": "float32"}.get(row["data_type"], row["data_type"])
        assert ours[row["modbus_type"], int(row["modbus_address"])] == data_type, row["plc_symbol"]


def test_the_set_values_of_the_file_are_those_that_the_tool_begins_with() -> None:
    """Importing the file and starting the tool leaves no drift between desired and real set-values."""
    settings = initial_settings(SMALL_TOOL, al2o3())
    with definitions_path().open(encoding="utf-8", newline="") as file:
        rows = {f"{row['component']}/{row['parameter']}": row for row in csv.DictReader(file)}
    for name, value in settings.items():
        assert (float(rows[name]["set_value"]) if rows[name]["set_value"] else "") == value, name
    for name in HEATERS:
        assert rows[f"{name}/temperature_read"]["set_value_parameter"] == f"{name}/temperature_set"


def test_a_minimal_file_without_optional_columns_loads(tmp_path: Path) -> None:
    """Word order ABCD and 100 ms are what is meant where nothing is said."""
    (definition,) = load(written(tmp_path, GOOD))
    parameter = definition.parameter
    assert (parameter.data_type, parameter.word_order, parameter.scan_interval_ms) == (
        DataType.FLOAT32,
        WordOrder.ABCD,
        100,
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD.replace("float", "floot"), "line 3: 'floot' is not a valid DataType"),
        (GOOD.replace(",10,float", ",70000,float"), "line 3: Gauge/other: address 70000 is outside"),
        (GOOD.replace("false", "no"), "line 3: is_writable is 'no', neither true nor false"),
        (GOOD.replace("input_register", "register"), "line 3: 'register' is not a valid RegisterKind"),
        (GOOD.replace("other", "pressure"), "line 3: Gauge/pressure is there twice"),
        ("Gauge,other", "line 3: 2 values where the header names 12 columns"),
    ],
)
def test_a_broken_line_is_named_with_file_and_line(tmp_path: Path, line: str, reason: str) -> None:
    """The message has the path, the line and what is wrong with it."""
    broken = line if reason.endswith("twice") else line.replace("pressure", "other")
    path = written(tmp_path, GOOD, broken)
    with pytest.raises(MapError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}, {reason}")


def test_a_missing_column_a_missing_file_and_an_empty_one_are_named(tmp_path: Path) -> None:
    """Each is one clear MapError."""
    path = tmp_path / "map.csv"
    path.write_text("component,parameter\na,b\n", encoding="utf-8")
    with pytest.raises(MapError, match="the column 'data_type' is missing"):
        load(path)
    with pytest.raises(MapError, match="No such file"):
        load(tmp_path / "absent.csv")
    with pytest.raises(MapError, match="no parameters in it"):
        load(written(tmp_path))


def test_two_parameters_on_one_address_are_refused(tmp_path: Path) -> None:
    """Both names and the address are in the message."""
    path = written(tmp_path, GOOD, GOOD.replace("pressure", "other").replace(",10,float", ",11,float"))
    with pytest.raises(MapError, match="Gauge/other and Gauge/pressure both claim input_register 11"):
        RegisterMap(load(path))
