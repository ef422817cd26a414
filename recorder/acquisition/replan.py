"""New read plans for devices that are being read: the same devices, connections and grids, other blocks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from hal.load import DeviceLoad
from hal.plan import plan_reads
from recorder.acquisition.device_watch import DeviceWatch
from recorder.acquisition.overload import fit
from recorder.acquisition.recording import Roles
from recorder.acquisition.setup import PlannedDevice, plan_device, plan_limits
from recorder.config.file import Config
from recorder.definitions.definitions import DefinitionSet
from recorder.errors import ConfigurationError

OnWatch = Callable[[str, str, Mapping[str, object]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Replanned:
    """What is to be read from now on.

    Attributes:
        loads: kind of event, load and meaning, where a plan does not fit its interval well.
    """

    planned: Sequence[PlannedDevice]
    loads: Sequence[tuple[str, DeviceLoad, str]]


def replan(
    config: Config,
    definitions: DefinitionSet,
    roles: Roles,
    planned: Sequence[PlannedDevice],
    *,
    on_watch: OnWatch,
) -> Replanned:
    """Plan the devices that are read anew; touches none of them, so it may run in another thread.

    An interval that nothing is read at any more keeps an empty plan until the next start: its slots go on and are
    accounted for, so that a run has no hole, also where the interval comes back.

    Args:
        config: in force from now on.
        definitions: the same.
        roles: of these definitions.
        planned: what is read now.
        on_watch: as `DeviceHooks.on_watch`.

    Raises:
        ConfigurationError: a device is not read yet, or a plan cannot be.
    """
    known = {item.device.name for item in planned}
    others = sorted({definition.device for definition in definitions.readable} - known)
    if others:
        raise ConfigurationError(
            f"the definitions of {definitions.machine!r} read from device {', '.join(others)}, to which there is no "
            "connection yet: restart the recorder; until then it goes on with the definitions that it has"
        )
    loads: list[tuple[str, DeviceLoad, str]] = []

    def tell(kind: str, load: DeviceLoad, meaning: str) -> None:
        loads.append((kind, load, meaning))

    made = [_replanned(config, definitions, roles, item, on_watch=on_watch, tell=tell) for item in planned]
    return Replanned(planned=made, loads=loads)


def _replanned(
    config: Config,
    definitions: DefinitionSet,
    roles: Roles,
    item: PlannedDevice,
    *,
    on_watch: OnWatch,
    tell: Callable[[str, DeviceLoad, str], Any],
) -> PlannedDevice:
    name = item.device.name
    settings = config.devices[name]
    watching, plans = plan_device(name, settings, definitions, roles)
    watch = item.watch if item.watch.settings == watching else DeviceWatch(watching, tell=partial(on_watch, name))
    fitted = replace(item, plans=plans, watch=watch)
    round_trip_ns = item.device.health.round_trip_ns
    if round_trip_ns is not None and plans:
        fitted = fit(fitted, settings, round_trip_ms=round_trip_ns / 1e6, tell=tell)
    empty = plan_reads((), limits=plan_limits(settings))
    return replace(fitted, plans={**dict.fromkeys(item.plans, empty), **fitted.plans})
