"""The whole check, in order: through the running daemon where it holds the devices, else over links of its own."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hal.errors import DefinitionError
from hal.link import Connect
from hal.parameter import WordOrder
from recorder.acquisition.device_watch import WatchSettings
from recorder.acquisition.lines import make_links
from recorder.acquisition.recording import Roles
from recorder.acquisition.setup import plan_together, resolve_roles, watch_settings
from recorder.check.clock import check_clock
from recorder.check.database import check_database
from recorder.check.devices import check_device
from recorder.check.disk import check_disk
from recorder.check.opening import opened
from recorder.check.parameters import Corrections, check_parameters
from recorder.check.plausible import Expectation
from recorder.check.source import Source, from_file, from_recorder, parse_expectations, report_source
from recorder.check.verdict import Report, Verdict
from recorder.check.wake_up import check_wake_up
from recorder.config.device import DeviceConfig
from recorder.config.file import Config
from recorder.control import ask
from recorder.definitions.definitions import Definition, DefinitionSet
from recorder.errors import ConfigurationError, DaemonAwayError, RecorderError
from recorder.instance import only_recorder_of

SECTION: Final = "Recorder"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What a check was made of, and what it would change.

    Attributes:
        source: None where there are no definitions.
    """

    source: Source | None
    corrections: Corrections = field(default_factory=Corrections)


async def run_check(
    config: Config,
    report: Report,
    *,
    file: Path | None = None,
    word_order: WordOrder = WordOrder.CDAB,
    expected: Sequence[str] = (),
    watched_s: float = 1.0,
) -> Checked:
    """Look at everything, read only.

    Args:
        config: what is to be used.
        report: takes the lines as they come.
        file: definitions that need not be imported yet; None takes those that the recorder would take.
        word_order: of rows of the file that do not say their own.
        expected: what was typed in from front panels.
        watched_s: how long the words of each device are watched.

    Raises:
        RecorderError: what was given cannot be used, or a recorder holds the devices and does not answer.
    """
    source = from_file(file, word_order) if file is not None else None
    expectations = {} if source is None else parse_expectations(expected, source.definitions)
    links = make_links(config.devices)
    async with AsyncExitStack() as stack:
        is_running = await _is_running(config, stack)
        said = (
            "runs: devices are asked through it"
            if is_running
            else "does not run on this configuration: devices are asked directly"
        )
        report.add(SECTION, Verdict.OK, said, running=is_running)
        await check_database(config, report, is_needed=file is None)
        check_clock(report)
        await check_wake_up(config.recorder.cpu_wake_up_us, report)
        check_disk(config, report)
        if source is None:
            try:
                source = await from_recorder(config)
            except ConfigurationError:
                message = "there is no database and no copy to take them from; give --definitions FILE.csv"
                report.add("Definitions", Verdict.FAULT, message)
                return Checked(source=None)
            except RecorderError as error:
                report.add("Definitions", Verdict.FAULT, str(error))
                return Checked(source=None)
            expectations = parse_expectations(expected, source.definitions)
        report_source(source, report)
        check = _DeviceCheck(
            config=config,
            report=report,
            expectations=expectations,
            roles=_roles(config, source, report, is_whole=file is None),
            links={} if is_running else links,
            watched_s=watched_s,
        )
        for name in sorted({definition.device for definition in source.readable} | set(config.devices)):
            await check.check(name, [definition for definition in source.readable if definition.device == name])
        check.report_shared_lines()
    return Checked(source=source, corrections=check.corrections)


def _roles(config: Config, source: Source, report: Report, *, is_whole: bool) -> Roles:
    """Find the parameters that say what the tool is doing, since they are read together.

    Args:
        config: its process section.
        source: the definitions.
        report: takes a line where one is missing.
        is_whole: whether the recorder would have no other definitions.
    """
    try:
        return resolve_roles(
            config.process, DefinitionSet(machine=config.recorder.machine, definitions=source.definitions)
        )
    except ConfigurationError as error:
        advice = "" if is_whole else "; without it the recorder does not start, unless the database has it"
        report.add("Definitions", Verdict.FAULT if is_whole else Verdict.WARNING, f"{error}{advice}")
        return Roles()


async def _is_running(config: Config, stack: AsyncExitStack) -> bool:
    """Whether a recorder runs and answers; where none does, none starts on these devices during the check.

    Raises:
        AlreadyRunningError: one holds the data directory and does not answer.
    """
    try:
        await ask(config.control_socket, "status")
    except DaemonAwayError:
        folder = config.recorder.data_directory
        # without a lock file none ever ran here, and a file made now might belong to the wrong user
        if (folder / "recorder.lock").exists():
            stack.enter_context(only_recorder_of(folder))
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class _DeviceCheck:
    """One device after the other.

    Attributes:
        roles: the parameters that say what the tool is doing.
        links: empty where the daemon holds the devices.
        loads: share of its line's time that each device takes, by line.
    """

    config: Config
    report: Report
    expectations: Mapping[str, Expectation]
    roles: Roles
    links: Mapping[str, Connect]
    watched_s: float
    corrections: Corrections = field(default_factory=Corrections)
    loads: dict[str, dict[str, float]] = field(default_factory=dict)

    async def check(self, name: str, members: Sequence[Definition]) -> None:
        """Check one device and its parameters."""
        section = f"Device {name}"
        settings = self.config.devices.get(name)
        if settings is None:
            message = f"definitions read from it: add [devices.{name}] with its host, or correct their column device"
            self.report.add(section, Verdict.FAULT, message)
        elif not members:
            message = f"no definition has {name!r} in its column device, so nothing is read from it"
            self.report.add(section, Verdict.NOT_ASKED, message)
        else:
            try:
                await self._check(name, settings, members)
            except (DefinitionError, RecorderError) as error:
                self.report.add(section, Verdict.FAULT, str(error))

    async def _check(self, name: str, settings: DeviceConfig, members: Sequence[Definition]) -> None:
        async with opened(
            name,
            settings,
            plan_together(settings, members, self.roles, self._watching(name, settings, members)),
            connect=self.links.get(name),
            socket=self.config.control_socket,
            watched_s=self.watched_s,
        ) as device:
            found = await check_device(device, self.report)
            if found is None:
                return
            self.loads.setdefault(settings.place, {})[name] = found.load
            corrections = await check_parameters(device, members, found, self.expectations, self.report)
            self.corrections.changes.update(corrections.changes)

    def _watching(self, name: str, settings: DeviceConfig, members: Sequence[Definition]) -> WatchSettings:
        try:
            return watch_settings(name, settings, members, self.roles)
        except ConfigurationError as error:
            self.report.add(f"Device {name}", Verdict.FAULT, str(error))
            return WatchSettings()

    def report_shared_lines(self) -> None:
        """Say whether devices that share a line, or plans that share a device, fit beside each other."""
        for place, loads in self.loads.items():
            total = sum(loads.values())
            if total <= 1 or any(load > 1 for load in loads.values()):
                continue
            shares = ", ".join(f"{name} {100 * load:.0f} %" for name, load in loads.items())
            message = f"{place}: its devices want {100 * total:.0f} % of its time ({shares}): lengthen intervals"
            self.report.add("Lines", Verdict.FAULT, message, load=round(total, 4))
