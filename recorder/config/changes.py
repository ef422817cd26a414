"""Which fields of a changed configuration take effect at once, and which wait for a restart; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from recorder.config.device import DeviceConfig
from recorder.config.file import Config

_LIVE_SECTIONS: Final = ("set_values", "writes", "retention", "alarms")
_LIVE_FIELDS: Final = {"log": frozenset({"level"}), "process": frozenset({"recipe_names", "cycles_total"})}
_LIVE_OF_DEVICE: Final = frozenset(
    {
        "max_registers",
        "max_bits",
        "max_register_gap",
        "max_bit_gap",
        "forbidden",
        "one_register_image",
        "heartbeat",
        "clock",
        "frozen_after_s",
        "on_overload",
    }
)
"""What decides how a device is read over the connection that it has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigChanges:
    """Fields that differ, as ``section.field`` in order.

    Attributes:
        live: what takes effect at once.
        needs_restart: what waits.
    """

    live: tuple[str, ...]
    needs_restart: tuple[str, ...]


def changes(before: Config, after: Config) -> ConfigChanges:
    """Compare two configurations."""
    old, new = _flat(before), _flat(after)
    differ = sorted(field for field in old.keys() | new.keys() if old.get(field) != new.get(field))
    live = tuple(field for field in differ if _is_live(field))
    return ConfigChanges(live=live, needs_restart=tuple(field for field in differ if field not in live))


def with_live_fields(before: Config, after: Config) -> Config:
    """The configuration that is in force, with what takes effect at once of another one."""
    update: dict[str, Any] = {section: getattr(after, section) for section in _LIVE_SECTIONS}
    for section, fields in _LIVE_FIELDS.items():
        values = {field: getattr(getattr(after, section), field) for field in fields}
        update[section] = getattr(before, section).model_copy(update=values)
    update["devices"] = {
        name: _device(device, after.devices[name]) if name in after.devices else device
        for name, device in before.devices.items()
    }
    return before.model_copy(update=update)


def _device(before: DeviceConfig, after: DeviceConfig) -> DeviceConfig:
    return before.model_copy(update={field: getattr(after, field) for field in _LIVE_OF_DEVICE})


def _is_live(field: str) -> bool:
    section, _, name = field.partition(".")
    if section == "devices":
        return name.partition(".")[2] in _LIVE_OF_DEVICE
    return section in _LIVE_SECTIONS or name in _LIVE_FIELDS.get(section, frozenset())


def _flat(config: Config) -> Mapping[str, object]:
    """Every field by its name; a device that is there at all has its own name too."""
    flat: dict[str, object] = {}
    for section in type(config).model_fields:
        value = getattr(config, section)
        if section == "devices":
            for name, device in value.items():
                flat[f"devices.{name}"] = True
                flat |= {f"devices.{name}.{field}": held for field, held in _fields_of(device)}
        elif isinstance(value, tuple):
            flat[section] = value
        else:
            flat |= {f"{section}.{field}": held for field, held in _fields_of(value)}
    return flat


def _fields_of(model: Any) -> list[tuple[str, object]]:
    return [(field, getattr(model, field)) for field in type(model).model_fields]
