"""New plans for devices that are being read: the same devices and grids, other blocks, and no interval lost."""

import pytest

from recorder.acquisition.recording import Roles
from recorder.acquisition.replan import replan
from recorder.acquisition.setup import DeviceHooks, PlannedDevice, plan_devices
from recorder.config.file import Config
from recorder.definitions.definitions import Definition, DefinitionSet
from recorder.errors import ConfigurationError
from tests.recorder.definition_sets import definition

CONFIG = Config(devices={"plc": {}})


def of(*definitions: Definition) -> DefinitionSet:
    """A set of definitions with ids by their place."""
    numbered = (each.model_copy(update={"id": number}) for number, each in enumerate(definitions, start=1))
    return DefinitionSet(machine="ALD tool", definitions=tuple(numbered))


PRESSURE = definition("pressure", 0, scan_interval_ms=100)
FLOW = definition("flow", 1, scan_interval_ms=1000)
BEFORE = of(PRESSURE, FLOW)


def planned(definitions: DefinitionSet, config: Config = CONFIG) -> list[PlannedDevice]:
    """As at a start."""
    return list(plan_devices(config, definitions, Roles(), DeviceHooks(on_event=lambda _event: None)))


def names(item: PlannedDevice) -> dict[int, list[str]]:
    """What is read at each interval."""
    return {interval_ms: [p.name for p in plan.parameters] for interval_ms, plan in item.plans.items()}


def again(before: list[PlannedDevice], definitions: DefinitionSet, config: Config = CONFIG) -> PlannedDevice:
    """Plan anew; there is one device."""
    found = replan(config, definitions, Roles(), before, on_watch=lambda _device, _kind, _detail: None)
    (item,) = found.planned
    return item


def test_a_parameter_that_is_new_is_read_by_the_same_device() -> None:
    """With its connection and its watch."""
    before = planned(BEFORE)
    item = again(before, of(PRESSURE, FLOW, definition("power", 2, scan_interval_ms=100)))
    assert names(item) == {100: ["chamber/pressure", "chamber/power"], 1000: ["chamber/flow"]}
    assert item.device is before[0].device
    assert item.watch is before[0].watch


def test_an_interval_that_nothing_is_read_at_keeps_its_grid() -> None:
    """So that its slots go on; where it comes back, it has its parameters again."""
    before = planned(BEFORE)
    item = again(before, of(PRESSURE))
    assert names(item) == {100: ["chamber/pressure"], 1000: []}
    assert item.plans[1000].blocks == ()
    assert names(again([item], BEFORE)) == names(before[0])


def test_another_interval_is_another_grid() -> None:
    """Beside those that were there."""
    item = again(planned(BEFORE), of(PRESSURE, definition("flow", 1, scan_interval_ms=500)))
    assert names(item) == {100: ["chamber/pressure"], 500: ["chamber/flow"], 1000: []}


def test_a_device_that_is_not_read_yet_needs_a_restart() -> None:
    """It is named, and nothing is planned."""
    with pytest.raises(ConfigurationError, match=r"from device gauge, to which there is no connection yet: restart"):
        again(planned(BEFORE), of(PRESSURE, definition("vacuum", 0, device="gauge")))


def test_a_plan_that_cannot_be_is_refused() -> None:
    """The device and what is wrong are named, as at a start."""
    config = Config(devices={"plc": {"heartbeat": "chamber/beat"}})
    with pytest.raises(ConfigurationError, match=r"devices\.plc\.heartbeat: 'chamber/beat' is no parameter"):
        again(planned(BEFORE), BEFORE, config)


def test_a_watch_by_other_settings_is_another_watch() -> None:
    """What it knows of the old heartbeat says nothing of the new one."""
    before = planned(BEFORE)
    config = Config(devices={"plc": {"heartbeat": "chamber/flow"}})
    assert again(before, BEFORE, config).watch.settings.heartbeat == 2
    assert before[0].watch.settings.heartbeat is None
