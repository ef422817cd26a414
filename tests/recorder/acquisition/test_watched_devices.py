"""From the configuration of a device to what watches it, and from a restart to the end of a run."""

from typing import Any

import pytest

from hal.parameter import DataType, RegisterKind
from recorder.acquisition.device_watch import WatchEvent
from recorder.acquisition.setup import DeviceHooks, plan_devices, resolve_roles
from recorder.config.file import Config
from recorder.definitions.definitions import Definition, DefinitionSet
from recorder.errors import ConfigurationError


def definition(number: int, name: str, **fields: Any) -> Definition:
    """A 32-bit counter of the PLC."""
    place = {"register_kind": RegisterKind.HOLDING_REGISTER, "address": 2 * number, "data_type": DataType.UINT32}
    return Definition(component="PLC", id=number, name=name, **{**place, **fields})


DEFINITIONS = DefinitionSet(
    machine="ALD tool",
    definitions=(
        definition(1, "heartbeat"),
        definition(2, "clock", scan_interval_ms=1000),
        definition(3, "run_state"),
        definition(4, "runs"),
        definition(5, "elsewhere", device="gauge"),
    ),
)


def config(**device: Any) -> Config:
    """Two devices, of which one says what the tool does."""
    content: dict[str, Any] = {
        "devices": {"plc": device, "gauge": {"port": 503}},
        "process": {"run_state": "PLC/run_state", "run_counter": "PLC/runs"},
    }
    return Config(**content)


def planned(settings: Config) -> dict[str, Any]:
    """The devices by name."""
    roles = resolve_roles(settings.process, DEFINITIONS)
    found: list[tuple[str, str]] = []
    hooks = DeviceHooks(
        on_event=lambda _event: None, on_watch=lambda device, kind, _detail: found.append((device, kind))
    )
    devices = plan_devices(settings, DEFINITIONS, roles, hooks)
    return {item.device.name: item for item in devices}


def test_the_clock_is_read_together_with_the_run_state() -> None:
    """A run that ends because the device restarts must be known for that in the very scan that ends it."""
    plc = planned(config(clock="PLC/clock"))["plc"]
    assert list(plc.plans) == [100]
    assert 2 in plc.plans[100].parameter_ids.tolist()


def test_only_the_device_of_the_run_puts_a_run_in_doubt() -> None:
    """A gauge that restarts ends no run."""
    devices = planned(config(heartbeat="PLC/heartbeat"))
    assert devices["plc"].watch.carries_run
    assert not devices["gauge"].watch.carries_run


@pytest.mark.parametrize("name", ["PLC/misspelt", "PLC/elsewhere"])
@pytest.mark.parametrize("field", ["heartbeat", "clock"])
def test_what_is_not_read_from_the_device_cannot_watch_it(field: str, name: str) -> None:
    """The error names the field and what it says."""
    with pytest.raises(ConfigurationError, match=rf"devices\.plc\.{field}: '{name}' is no parameter that is read"):
        planned(config(**{field: name}))


def test_events_have_names_of_their_own() -> None:
    """They stand in recorder_events for good."""
    assert list(WatchEvent) == ["device_frozen", "device_moves_again", "plc_restarted"]
