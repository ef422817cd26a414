"""The tool's definitions file, and what is said about a broken one."""

from pathlib import Path

import pytest

from hal.parameter import DataType, RegisterKind, WordOrder
from hal.plan import plans_by_interval
from simulator.errors import MapError
from simulator.heater import tuned
from simulator.parameter_map import definitions_path, load
from simulator.process import FLOW_SET_VALUES_SCCM, HEATER_MODELS, HEATER_SET_VALUES_C
from simulator.registers import RegisterMap
from simulator.signals import HEATERS, MASS_FLOWS

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


def test_the_map_has_57_parameters_none_of_which_overlap() -> None:
    """Making a register map of it refuses two owners of one address."""
    definitions = load(definitions_path())
    assert len(definitions) == 57
    assert len(RegisterMap(definitions).names) == 57


def test_the_fast_signals_lie_in_one_block_of_28_words_and_nothing_else_is_fast() -> None:
    """One request of 20 ms reads run state to recipe name."""
    fast = [d.parameter for d in load(definitions_path()) if d.parameter.scan_interval_ms == 20]
    words = sorted(
        address
        for parameter in fast
        for address in range(parameter.address, parameter.last_address + 1)
        if parameter.kind is RegisterKind.INPUT_REGISTER
    )
    assert words == list(range(3000, 3028))
    assert {d.parameter.scan_interval_ms for d in load(definitions_path())} == {20, 100}


def test_the_recorders_read_plan_needs_one_fast_request_and_six_slow_ones() -> None:
    """With the default span and gap: coils, discrete inputs, and two blocks each of input and holding registers."""
    plans = plans_by_interval(d.parameter for d in load(definitions_path()))
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


def test_the_set_values_of_the_file_are_those_that_the_tool_begins_with() -> None:
    """Importing the file and starting the tool leaves no drift between desired and real set-values."""
    lines = definitions_path().read_text(encoding="utf-8").splitlines()
    columns = lines[0].split(",")
    rows = {
        (row["component"], row["parameter"]): row
        for row in (dict(zip(columns, line.split(","), strict=True)) for line in lines[1:])
    }
    for name, model, celsius in zip(HEATERS, HEATER_MODELS, HEATER_SET_VALUES_C, strict=True):
        control = tuned(model, celsius)
        assert float(rows[name, "temperature_set"]["set_value"]) == celsius
        assert [float(rows[name, gain]["set_value"]) for gain in ("kp", "ki", "kd")] == [
            control.kp,
            control.ki,
            control.kd,
        ]
        assert rows[name, "temperature_read"]["set_value_parameter"] == f"{name}/temperature_set"
    for name, sccm in zip(MASS_FLOWS, FLOW_SET_VALUES_SCCM, strict=True):
        assert float(rows[name, "flow_set"]["set_value"]) == sccm


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
