"""Definitions of a known device, under the names that they get in this machine."""

from dataclasses import replace
from importlib import resources

from hal.devices import KNOWN_DEVICES, KnownDevice
from recorder.definitions.definitions import Definition
from recorder.definitions.file import DefinitionFile, read_definition_file
from recorder.errors import UsageError


def find_known_device(name: str) -> KnownDevice:
    """The known device of a name.

    Raises:
        UsageError: there is none; the message names those that there are.
    """
    if name not in KNOWN_DEVICES:
        raise UsageError(f"there is no known device {name!r}; there are {', '.join(KNOWN_DEVICES)}")
    return KNOWN_DEVICES[name]


def device_name_of(known: KnownDevice, as_device: str | None) -> str:
    """The name of the device in the configuration: a section ``[devices.NAME]``.

    Raises:
        UsageError: no section can be called so.
    """
    name = known.name.replace("-", "_") if as_device is None else as_device
    if not name.replace("_", "").replace("-", "").isalnum():
        raise UsageError(f"--as-device: {name!r} is not a device name: use letters, digits, - and _")
    return name


def known_definitions(known: KnownDevice, *, device: str, component: str | None) -> DefinitionFile:
    """The definitions of a known device as if a file had said them.

    Args:
        known: the device.
        device: section of the configuration that they are read from.
        component: in place of the device's own; None keeps that.

    Raises:
        UsageError: the component is empty or holds a slash.
    """
    if component is not None and (not component.strip() or "/" in component):
        raise UsageError(f"--component: {component!r} cannot name a component: it must not be empty or hold a /")
    with resources.as_file(known.definitions) as path:
        content = read_definition_file(path)
    placed = "" if component is None else component.strip()

    def renamed(text: str) -> str:
        return placed + text.removeprefix(known.component) if placed and text.startswith(known.component) else text

    def moved(definition: Definition) -> Definition:
        return definition.model_copy(
            update={
                "device": device,
                "component": renamed(definition.component),
                "set_value_parameter": renamed(definition.set_value_parameter),
            }
        )

    return replace(
        content,
        definitions=tuple(moved(definition) for definition in content.definitions),
        findings=tuple(replace(finding, parameter=renamed(finding.parameter)) for finding in content.findings),
    )
