"""From definitions and configuration to devices, read plans and samplers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from hal.backoff import Backoff
from hal.device import Device
from hal.errors import DefinitionError
from hal.health import DeviceEvent
from hal.hole import Hole
from hal.limits import AddressRange, PlanLimits
from hal.link import Connect
from hal.load import DeviceLoad
from hal.parameter import DataType, Parameter
from hal.plan import ReadPlan, plans_by_interval
from hal.refusals import Refusals
from recorder.acquisition.device_watch import DeviceWatch, WatchSettings
from recorder.acquisition.lines import make_links
from recorder.acquisition.recording import Recording, Roles
from recorder.acquisition.sampler import Sampler
from recorder.config.device import DeviceConfig
from recorder.config.file import Config, ProcessConfig
from recorder.definitions.definitions import Definition, DefinitionSet
from recorder.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedDevice:
    """A device and what is read from it.

    Attributes:
        plans: scan interval in milliseconds to its read plan.
        watch: says whether the device is alive.
        load: what the plans ask of the connection; None until the round trip was measured.
    """

    device: Device
    plans: Mapping[int, ReadPlan]
    watch: DeviceWatch
    load: DeviceLoad | None = None


def plan_limits(config: DeviceConfig) -> PlanLimits:
    """Limits of the read plan of one device.

    Raises:
        ConfigurationError: they contradict each other.
    """
    try:
        return PlanLimits(
            max_registers=config.max_registers,
            max_bits=config.max_bits,
            max_register_gap=min(config.max_register_gap, config.max_registers),
            max_bit_gap=min(config.max_bit_gap, config.max_bits),
            forbidden=tuple(AddressRange.parse(text) for text in config.forbidden),
            one_register_image=config.one_register_image,
        )
    except DefinitionError as error:
        raise ConfigurationError(f"devices: {error}") from error


def resolve_roles(config: ProcessConfig, definitions: DefinitionSet) -> Roles:
    """Find the parameters that play the process roles.

    Raises:
        ConfigurationError: a role names a parameter that is not there or cannot be read.
    """

    def parameter_id(field: str, full_name: str) -> int | None:
        if not full_name:
            return None
        definition = definitions.find(full_name)
        is_text = definition is not None and definition.data_type is DataType.ASCII
        if definition is None or not definition.is_configured or (is_text and field != "recipe"):
            what = "no such parameter" if definition is None else "that parameter has no address"
            what = "that parameter is text and no number" if is_text else what
            raise ConfigurationError(
                f"process.{field}: {full_name!r}: {what} in the definitions of {definitions.machine!r}; "
                "see ald-recorder definitions list"
            )
        return definition.id

    parameter_id("cycles_total", config.cycles_total)  # shown alone; but a wrong name is said here, too
    return Roles(
        run_state=parameter_id("run_state", config.run_state),
        run_counter=parameter_id("run_counter", config.run_counter),
        recipe=parameter_id("recipe", config.recipe),
        step=parameter_id("step", config.step),
        cycle=parameter_id("cycle", config.cycle),
        recipe_names=config.recipe_names,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceHooks:
    """What devices tell the recorder; called in the event loop, must not block.

    Attributes:
        on_event: at each change of a device's connection.
        holes_of: what a device is known to refuse from earlier.
        on_holes: with a device and all that it refuses, each time that this changes.
        on_watch: with a device, the kind of an event of `recorder.acquisition.device_watch`, and its detail.
    """

    on_event: Callable[[DeviceEvent], None]
    holes_of: Callable[[str], Sequence[Hole]] = lambda _device: ()
    on_holes: Callable[[str, Sequence[Hole]], None] = lambda _device, _holes: None
    on_watch: Callable[[str, str, Mapping[str, object]], None] = lambda _device, _kind, _detail: None


def plan_devices(
    config: Config, definitions: DefinitionSet, roles: Roles, hooks: DeviceHooks
) -> Sequence[PlannedDevice]:
    """Make the devices that the definitions name, each with its read plans.

    Raises:
        ConfigurationError: a device has no section in the configuration, or its plan cannot be.
    """
    planned = []
    names = sorted({definition.device for definition in definitions.readable})
    links = make_links({name: config.devices[name] for name in names if name in config.devices})
    for name in names:
        if name not in config.devices:
            raise ConfigurationError(
                f"devices.{name} is missing: the definitions of {definitions.machine!r} read from device {name!r}; "
                f"add [devices.{name}] with its host"
            )
        settings = config.devices[name]
        watching, plans = plan_device(name, settings, definitions, roles)
        planned.append(
            PlannedDevice(
                device=_device(name, settings, links[name], hooks),
                plans=plans,
                watch=DeviceWatch(watching, tell=partial(hooks.on_watch, name)),
            )
        )
    return planned


def plan_device(
    name: str, settings: DeviceConfig, definitions: DefinitionSet, roles: Roles
) -> tuple[WatchSettings, Mapping[int, ReadPlan]]:
    """What shows that a device is alive, and its read plans by scan interval in milliseconds.

    Raises:
        ConfigurationError: what is defined cannot be read, or not from this device.
    """
    members = [definition for definition in definitions.readable if definition.device == name]
    watching = watch_settings(name, settings, members, roles)
    try:
        return watching, plan_together(settings, members, roles, watching)
    except DefinitionError as error:
        raise ConfigurationError(f"definitions of device {name!r}: {error}") from error


def watch_settings(name: str, settings: DeviceConfig, members: Sequence[Definition], roles: Roles) -> WatchSettings:
    """Find the parameters that show that a device is alive.

    Raises:
        ConfigurationError: one is not read from this device.
    """

    def parameter_id(field: str, full_name: str) -> int | None:
        if not full_name:
            return None
        found = next((d for d in members if d.full_name == full_name), None)
        if found is None:
            raise ConfigurationError(
                f"devices.{name}.{field}: {full_name!r} is no parameter that is read from device {name!r}; "
                "see ald-recorder definitions list"
            )
        return found.id

    ids = {definition.id for definition in members}
    return WatchSettings(
        heartbeat=parameter_id("heartbeat", settings.heartbeat),
        clock=parameter_id("clock", settings.clock),
        restart_counter=roles.run_counter if roles.run_counter in ids else None,
        frozen_after_s=settings.frozen_after_s,
        carries_run=roles.run_state is not None and roles.run_state in ids,
    )


def plan_together(
    settings: DeviceConfig, members: Sequence[Definition], roles: Roles, watching: WatchSettings
) -> Mapping[int, ReadPlan]:
    """Plan the reads of one device as they are really made: scan interval in milliseconds to read plan.

    Raises:
        ConfigurationError: the limits of the device contradict each other.
        DefinitionError: a definition cannot be read within them.
    """
    return plans_by_interval(_read_together(members, roles, watching), limits=plan_limits(settings))


def _read_together(members: Sequence[Definition], roles: Roles, watching: WatchSettings) -> list[Parameter]:
    """All roles are read at the interval of run_state: step, cycle and recipe must be of the same moment.

    So must the clock of their device, since a run that ends because the device restarts was not completed.
    """
    parameters = [definition.to_parameter() for definition in members]
    state = next((p for p in parameters if p.parameter_id == roles.run_state), None)
    if state is None:
        return parameters
    together = {roles.run_counter, roles.recipe, roles.step, roles.cycle, watching.clock}
    return [
        replace(p, scan_interval_ms=state.scan_interval_ms) if p.parameter_id in together else p for p in parameters
    ]


def _device(name: str, settings: DeviceConfig, connect: Connect, hooks: DeviceHooks) -> Device:
    backoff = Backoff(first_s=min(0.1, settings.backoff_max_s), longest_s=settings.backoff_max_s)
    return Device(
        name,
        connect,
        backoff=backoff,
        on_event=hooks.on_event,
        refusals=Refusals(hooks.holes_of(name), probe_interval_s=settings.probe_refused_s),
        on_holes=lambda holes: hooks.on_holes(name, holes),
    )


def make_samplers(planned: Sequence[PlannedDevice], recording: Recording) -> list[Sampler]:
    """One sampler a device and scan interval."""
    return [
        Sampler(device=item.device, plan=plan, interval_ms=interval_ms, recording=recording, watch=item.watch)
        for item in planned
        for interval_ms, plan in item.plans.items()
    ]
