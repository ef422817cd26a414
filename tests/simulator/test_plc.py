"""The controller's memory over the plant: writes act, refusals change nothing, one image a step."""

import struct
from dataclasses import replace

import pytest

from hal.parameter import RegisterKind
from simulator.errors import DEVICE_BUSY, MapError, RequestRefusedError
from simulator.parameter_map import Definition, definitions_path, load
from simulator.plc import Plc
from simulator.process import standby
from simulator.recipe import al2o3
from simulator.run import RunStatus

COIL, HOLDING, INPUT = RegisterKind.COIL, RegisterKind.HOLDING_REGISTER, RegisterKind.INPUT_REGISTER
START, ABORT = 40, 41


def cdab(value: float) -> list[int]:
    """Lay a float out by hand: low word first."""
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return [low, high]


def value(words: list[int]) -> float:
    """Read a float by hand: low word first."""
    (number,) = struct.unpack(">f", struct.pack(">HH", words[1], words[0]))
    return float(number)


@pytest.fixture
def plc() -> Plc:
    """A tool in standby."""
    return Plc(load(definitions_path()), standby(seed=1, recipe=al2o3()))


def test_the_start_coil_runs_the_recipe_and_falls_back(plc: Plc) -> None:
    """Set until the next step takes it; then run state 1, run counter 1, step 1."""
    plc.write(COIL, START, [1])
    assert plc.read(COIL, START, 1) == [1]
    plc.step()
    assert plc.read(COIL, START, 1) == [0]
    assert plc.read(INPUT, 3000, 2) == [RunStatus.RUNNING, 1]
    assert plc.read(INPUT, 3004, 2) == [1, 0]


def test_a_second_start_is_refused_as_busy_also_before_the_first_is_taken(plc: Plc) -> None:
    """Exception 6, and the run goes on as it was."""
    plc.write(COIL, START, [1])
    for _ in range(2):
        with pytest.raises(RequestRefusedError) as caught:
            plc.write(COIL, START, [1])
        assert caught.value.exception_code == DEVICE_BUSY
        plc.step()
    assert plc.state.run.counter == 1


def test_writing_zero_to_a_command_coil_does_nothing(plc: Plc) -> None:
    """Only a one commands, also in mid-run."""
    plc.write(COIL, START, [0, 0])
    plc.step()
    assert plc.read(INPUT, 3000, 1) == [RunStatus.IDLE]
    plc.write(COIL, START, [1])
    plc.step()
    plc.write(COIL, START, [0, 0])
    plc.step()
    assert plc.read(INPUT, 3000, 1) == [RunStatus.RUNNING]


def test_a_flow_set_value_shows_at_once_and_moves_the_flow_and_the_pressure(plc: Plc) -> None:
    """Two seconds after 10 sccm more the base pressure is 25 mTorr higher."""
    before = plc.state.chamber.pressure_torr
    plc.write(HOLDING, 2086, cdab(20.0))
    assert plc.read(HOLDING, 2086, 2) == cdab(20.0)
    for _ in range(1000):
        plc.step()
    assert value(plc.read(INPUT, 2082, 2)) == pytest.approx(20.0, abs=1.5)
    assert plc.state.chamber.pressure_torr - before == pytest.approx(10 * 0.01267 / 5, rel=0.01)


def test_a_temperature_set_value_heats_the_zone(plc: Plc) -> None:
    """20 C more on the chamber: at 220 C within 10 minutes of simulated time."""
    plc.write(HOLDING, 2000, cdab(220.0))
    plc.step()
    assert plc.read(RegisterKind.DISCRETE_INPUT, 0, 1) == [0]
    for _ in range(60_000):
        plc.step()
    assert value(plc.read(INPUT, 2018, 2)) == pytest.approx(220.0, abs=1.0)
    assert plc.read(RegisterKind.DISCRETE_INPUT, 0, 1) == [1]


def test_a_power_coil_switches_a_heater_off(plc: Plc) -> None:
    """Its output falls to 0 within a controller's period."""
    plc.write(COIL, 0, [0])
    for _ in range(100):
        plc.step()
    assert plc.read(COIL, 0, 1) == [0]
    assert plc.read(INPUT, 2002, 2) == [0, 0]
    assert plc.state.heaters[1].output_percent > 0


def test_the_number_of_cycles_is_of_the_next_run(plc: Plc) -> None:
    """Set to 3 during a run of 20 it changes nothing until the next start."""
    plc.write(COIL, START, [1])
    plc.step()
    plc.write(HOLDING, 2120, [3])
    plc.step()
    assert plc.state.run.phases[-2].cycle_number == 20
    plc.write(COIL, ABORT, [1])
    plc.step()
    plc.write(COIL, START, [1])
    plc.step()
    assert plc.state.run.phases[-2].cycle_number == 3


def test_a_refused_write_of_several_values_changes_none(plc: Plc) -> None:
    """A good kp, but ki is beyond its limit: kp stays."""
    before = plc.read(HOLDING, 2006, 6)
    with pytest.raises(RequestRefusedError):
        plc.write(HOLDING, 2006, [*cdab(1.0), *cdab(5000.0), *cdab(1.0)])
    assert plc.read(HOLDING, 2006, 6) == before


def test_a_reader_gets_one_image_until_the_next_step(plc: Plc) -> None:
    """Readings do not change within a step, and do with it."""
    plc.step()
    first = plc.image
    assert plc.image is first
    plc.step()
    assert plc.image is not first
    assert plc.image.read(INPUT, 3010, 2) != first.read(INPUT, 3010, 2)


def test_clock_and_heartbeat_count_simulated_time(plc: Plc) -> None:
    """After 1.25 s the clock shows 1250 ms and the heartbeat 12 tenths."""
    for _ in range(125):
        plc.step()
    assert plc.read(INPUT, 3006, 2) == [1250, 0]
    assert plc.read(INPUT, 3003, 1) == [12]


def test_a_map_that_does_not_fit_the_tool_is_refused_by_name() -> None:
    """A missing parameter, an unknown one, and one that should not be writable."""
    definitions = load(definitions_path())
    state = standby(seed=1, recipe=al2o3())

    def renamed(definition: Definition) -> Definition:
        parameter = replace(definition.parameter, name="Residual Gas/water", address=5000)
        return replace(definition, parameter=parameter)

    with pytest.raises(MapError, match="the map does not have: Chamber Heater/power_on"):
        Plc(definitions[1:], state)
    with pytest.raises(MapError, match="the tool does not have: Residual Gas/water"):
        Plc([*definitions, renamed(definitions[0])], state)
    with pytest.raises(MapError, match="writable parameters of the tool that the map does not have"):
        Plc([replace(definitions[0], is_writable=False), *definitions[1:]], state)
