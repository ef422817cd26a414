"""What the command line says of a known device."""

from dataclasses import asdict
from typing import Any

from hal.devices import KnownDevice
from recorder.config.device import DeviceConfig
from recorder.config.file import Config


def describe(known: KnownDevice) -> dict[str, Any]:
    """All that is known of it, for programs."""
    return {
        "name": known.name,
        "title": known.title,
        "vendor": known.vendor,
        "component": known.component,
        "models": known.models,
        "definitions": str(known.definitions),
        "transport": dict(known.transport),
        "settings": dict(known.settings),
        "notes": known.notes,
        "left_out": known.left_out,
        "sources": [asdict(source) for source in known.sources],
        "row_sources": {
            parameter: [f"{source.title}, {source.place}" for source in sources]
            for parameter, sources in known.row_sources.items()
        },
    }


def print_what_it_needs(known: KnownDevice, device: str, settings: Config) -> None:
    """Say what the configuration lacks for a known device, and what its sources warn of."""
    configured = settings.devices.get(device)
    wanted = {field: value for field, value in known.settings.items() if value != _value(configured, field)}
    if configured is None:
        print(f"the configuration has no [devices.{device}] yet; it needs one with its host")
    if wanted:
        fields = ", ".join(f"{field} = {value}" for field, value in wanted.items())
        print(f"[devices.{device}] should say: {fields}")
    link = ", ".join(f"{field.replace('_', ' ')} {value}" for field, value in known.transport.items())
    print(f"link, as its sources say: {link}")
    for note in known.notes:
        print(f"note: {note}")


def _value(configured: DeviceConfig | None, field: str) -> object:
    return None if configured is None else getattr(configured, field)
