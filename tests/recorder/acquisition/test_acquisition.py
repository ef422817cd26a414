"""From definitions and configuration to devices and read plans."""

import pytest

from hal.parameter import DataType
from hal.plan import PlanLimits
from recorder.acquisition.recording import Roles
from recorder.acquisition.setup import DeviceHooks, plan_devices, plan_limits, resolve_roles
from recorder.config.device import DeviceConfig
from recorder.config.file import Config, ProcessConfig
from recorder.definitions.definitions import DefinitionSet
from recorder.errors import ConfigurationError
from tests.recorder.definition_sets import definition

SET = DefinitionSet(
    machine="tool",
    definitions=(
        definition("state", 0, id=1, scan_interval_ms=50),
        definition("counter", 1, id=2, scan_interval_ms=1000),
        definition("step", 2, id=3),
        definition("recipe", 10, id=4, data_type=DataType.ASCII, length=8, scan_interval_ms=1000),
        definition("pressure", 20, id=5),
        definition("away", None, id=6),
        definition("gauge", 0, id=7, device="gauge"),
    ),
)
PROCESS = ProcessConfig(
    run_state="chamber/state", run_counter="chamber/counter", step="chamber/step", recipe="chamber/recipe"
)
ROLES = Roles(run_state=1, run_counter=2, step=3, recipe=4)
DEVICES = {"plc": DeviceConfig(), "gauge": DeviceConfig(max_registers=10)}


def test_roles_are_found_by_name() -> None:
    """Those that are not named are none."""
    assert resolve_roles(PROCESS, SET) == ROLES
    assert resolve_roles(ProcessConfig(), SET) == Roles()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"run_state": "chamber/nothing"},
            "process.run_state: 'chamber/nothing': no such parameter in the definitions",
        ),
        ({"step": "chamber/away"}, "process.step: 'chamber/away': that parameter has no address"),
        ({"run_counter": "chamber/recipe"}, "process.run_counter: 'chamber/recipe': that parameter is text"),
    ],
)
def test_a_role_that_nobody_can_play_is_a_fault_of_the_configuration(fields: dict[str, str], says: str) -> None:
    """Or runs would never begin, and nobody would know why."""
    with pytest.raises(ConfigurationError) as caught:
        resolve_roles(ProcessConfig(**fields), SET)
    assert says in str(caught.value)


def test_each_device_gets_a_plan_an_interval_and_roles_are_read_with_the_run_state() -> None:
    """Step, counter and recipe must be of the same moment as the state that they explain."""
    plc_last = plan_devices(Config(devices=DEVICES), SET, ROLES, DeviceHooks(on_event=lambda _event: None))
    assert [item.device.name for item in plc_last] == ["gauge", "plc"]
    plans = {
        (item.device.name, interval_ms): {parameter.parameter_id for parameter in plan.parameters}
        for item in plc_last
        for interval_ms, plan in item.plans.items()
    }
    assert plans == {("gauge", 100): {7}, ("plc", 50): {1, 2, 3, 4}, ("plc", 100): {5}}


def test_a_device_that_is_not_configured_is_named() -> None:
    """With the section that is missing."""
    with pytest.raises(ConfigurationError, match=r"devices\.gauge is missing: .* add \[devices\.gauge\] with its host"):
        plan_devices(Config(devices={"plc": DeviceConfig()}), SET, ROLES, DeviceHooks(on_event=lambda _event: None))


def test_limits_of_a_device_are_those_of_its_plans() -> None:
    """A gap that is wider than a request is cut to it."""
    assert plan_limits(DeviceConfig(max_registers=10, max_bits=100)) == PlanLimits(
        max_registers=10, max_bits=100, max_register_gap=10, max_bit_gap=100
    )


def test_a_value_that_no_request_of_a_device_can_hold_is_named() -> None:
    """The definitions and the device's limits contradict each other."""
    devices = {**DEVICES, "plc": DeviceConfig(max_registers=4)}
    with pytest.raises(ConfigurationError, match="definitions of device 'plc': chamber/recipe"):
        plan_devices(Config(devices=devices), SET, ROLES, DeviceHooks(on_event=lambda _event: None))
