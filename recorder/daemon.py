"""The composition root: everything is made here, owned by one task group, and ended in order."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from hal.device import Device
from hal.limits import PlanLimits
from recorder.acquisition.clear_way import ClearWay
from recorder.acquisition.event_log import EventLog
from recorder.acquisition.hole_file import HoleFile
from recorder.acquisition.meeting import fit_all, meet
from recorder.acquisition.probe import identify_handler, probe_handler
from recorder.acquisition.recording import Recording
from recorder.acquisition.sampler import Sampler
from recorder.acquisition.setup import (
    DeviceHooks,
    PlannedDevice,
    make_samplers,
    plan_devices,
    plan_limits,
    resolve_roles,
)
from recorder.acquisition.slot_timer import SlotTimer
from recorder.acquisition.wake_up import wake_up_within
from recorder.alarms.alarms import Alarms
from recorder.alarms.limit_watch import limits_of
from recorder.alarms.own_conditions import OwnConditions
from recorder.audit.auditor import Auditor
from recorder.care.maintenance import maintain
from recorder.clock.clock import Clock, is_synchronised
from recorder.clock.kept import start_clock
from recorder.clock.watch import ClockWait, ClockWatch
from recorder.config.file import Config
from recorder.control import Handler, serve
from recorder.database import Database
from recorder.database.configured import configured
from recorder.definitions.definitions import DefinitionSet
from recorder.definitions.source import DefinitionSource
from recorder.instance import only_recorder_of
from recorder.runs.commands import run_handlers
from recorder.runs.process import ProcessTracker
from recorder.runs.process_id import ProcessIdMint
from recorder.runs.run import RunContext
from recorder.service.notify import ServiceManager
from recorder.service.patience import unless
from recorder.service.reload import Reload, Running
from recorder.set_values.desired import Desired
from recorder.spool.spool import Spool
from recorder.status.latency import LatencyRecorder
from recorder.status.loop_lag import LoopLag
from recorder.status.measured import metrics_handler
from recorder.status.status import line, picture
from recorder.status.watching import Watching
from recorder.writer.holder import Holder
from recorder.writer.statements import PREPARED
from recorder.writer.writer import Writer, WriterState

_ROLES_WAIT_S: Final = 1.0
_SCAN_END_S: Final = 2.0
_DRAIN_S: Final = 6.0
"""Together with `_SCAN_END_S` and the closing below the 10 s in which SIGTERM must end."""

log = structlog.get_logger()


class Daemon:
    """Records until it is asked to stop.

    Args:
        config: validated configuration; its DSN must be set.
        reread: reads it again where it is to be reloaded; None where that cannot be.
    """

    def __init__(self, config: Config, *, reread: Callable[[], Config] | None = None) -> None:
        self._config = config
        self._reread = reread
        self._hung_up = asyncio.Event()
        self._maintenance: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._manager = ServiceManager.of_environment()
        self._clock = Clock()
        self._latency = LatencyRecorder()
        self._lag = LoopLag()
        self._timer = SlotTimer()
        self._definitions: DefinitionSet | None = None
        self._planned: list[PlannedDevice] = []
        database = config.database
        self._holder = Holder.here(config.recorder.number)
        self._source = DefinitionSource(
            machine=config.recorder.machine,
            dsn=config.require_dsn(),
            schema=database.schema_name,
            prepared_statements=database.prepared_statements,
            is_bulk=database.bulk_load,
            last_good=config.recorder.data_directory / "definitions.json",
            socket=config.control_socket,
        )
        self._database = Database(
            replace(configured(config, application_name=self._holder.application_name), prepared=PREPARED)
        )
        self._watching = Watching(lambda: self._planned, self._database, cycles_total=config.process.cycles_total)

    def stop(self) -> None:
        """Ask for an orderly end: no new scan, then what is spooled is written for as long as time allows."""
        self._manager.tell("STOPPING=1", "STATUS=stopping")
        self._stop.set()

    async def run(self) -> None:
        """Record until `stop` or SIGTERM.

        Raises:
            RecorderError: it cannot start; nothing is left half done.
        """
        folder = self._config.recorder.data_directory
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        # of a terminal that is closed it means the end, of a service manager that all is to be read again
        loop.add_signal_handler(signal.SIGHUP, self.stop if os.isatty(0) else self._hung_up.set)
        async with AsyncExitStack() as stack:
            stack.enter_context(self._manager)
            stack.enter_context(only_recorder_of(folder))
            refused = stack.enter_context(wake_up_within(self._config.recorder.cpu_wake_up_us))
            if refused is not None:
                log.warning("wake_up_not_granted", reason=refused)
            stack.enter_context(self._timer)
            spool = await stack.enter_async_context(
                Spool(
                    folder / "spool.sqlite3",
                    max_bytes=self._config.spool.max_mib * 1024 * 1024,
                    keep_bytes=self._config.spool.keep_acknowledged_mib * 1024 * 1024,
                    group_ms=self._config.spool.grouped_ms,
                    on_failure=lambda line: log.error("spool_failed", error=line),
                )
            )
            if spool.set_aside is not None:
                log.error("spool_damaged", set_aside=str(spool.set_aside))
            stack.push_async_callback(self._database.close)
            self._manager.tell("STATUS=waits for definitions")
            definitions = await self._source.obtain(self._stop)
            if definitions is not None:
                # what is wrong in the configuration is said before anybody waits for a clock
                plan_devices(
                    self._config,
                    definitions,
                    resolve_roles(self._config.process, definitions),
                    DeviceHooks(on_event=lambda _event: None),
                )
                limits_of(self._config.alarms, definitions)
            self._manager.tell("STATUS=waits for a synchronised clock")
            wait = ClockWait(wait_s=self._config.clock.wait_s, state=spool.state)
            if definitions is not None:
                await wait.wait(self._stop, socket=self._config.control_socket, machine=self._config.recorder.machine)
            if definitions is not None and not self._stop.is_set():
                await self._record(spool, definitions, wait)
        log.info("stopped")

    async def _record(self, spool: Spool, definitions: DefinitionSet, wait: ClockWait) -> None:
        config = self._config
        roles = resolve_roles(config.process, definitions)
        self._definitions = definitions
        state = spool.state
        start_clock(self._clock, state)
        tracker = ProcessTracker(
            mint=ProcessIdMint(recorder=config.recorder.number),
            context=RunContext(
                machine=config.recorder.machine,
                definitions_version=definitions.version,
                time_scale=config.recorder.time_scale,
                clock_synchronised=is_synchronised(),
            ),
            has_run_state=roles.run_state is not None,
            running_values=config.process.running_values,
            aborted_values=config.process.aborted_values,
            state=state.get("tracker"),
        )
        recording = Recording(
            spool=spool,
            tracker=tracker,
            clock=self._clock,
            latency=self._latency,
            roles=roles,
            state=state,
            sleep=self._timer.sleep,
            clear_way=ClearWay(self._timer.left_s),
        )
        recording.is_clock_worth_waiting = wait.is_worth_waiting
        watch = ClockWatch(recording)
        watch.look()
        holes = HoleFile(config.recorder.data_directory / "refused_addresses.json")
        events = EventLog(spool, self._clock, see=self._watching.see)
        hooks = DeviceHooks(
            on_event=events.device,
            holes_of=holes.of,
            on_holes=lambda device, now: events.holes(holes, device, now),
            on_watch=lambda device, kind, detail: events.warn(kind, detail, device=device),
        )
        self._planned = list(plan_devices(config, definitions, roles, hooks))
        events.plan_warnings(self._planned)
        devices = {item.device.name: item.device for item in self._planned}
        desired = Desired(
            config=config,
            database=self._database,
            listen_dsn=config.require_server_dsn(),
            definitions=definitions,
            recording=recording,
            events=events,
            device_of=devices.get,
        )
        writer = Writer(
            database=self._database,
            spool=spool,
            holder=self._holder,
            machine=config.recorder.machine,
            clock=self._clock,
            latency=self._latency,
            marks=recording.marks,
            max_rows=config.writer.max_rows,
            backoff_max_s=config.writer.backoff_max_s,
        )
        auditor = Auditor(database=self._database, spool=spool, recorder=config.recorder.number)
        alarms = Alarms(
            config=config,
            definitions=definitions,
            recording=recording,
            events=events,
            own=partial(OwnConditions, planned=lambda: self._planned, writer=writer, auditor=auditor, desired=desired),
        )
        control = self._control(recording, events, writer=writer, auditor=auditor, desired=desired, alarms=alarms)
        async with control as handlers, asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(writer.run(), name="writer")
            others = [tasks.create_task(item.device.run(), name=f"device {item.device.name}") for item in self._planned]
            for name, work in {
                "clock": watch.run(),
                "event loop lag": self._lag.run(),
                "audit": auditor.run(),
                "service manager": self._manager.follow(
                    recording.vitals, lambda: line(planned=self._planned, recording=recording, writer=writer)
                ),
                "desired set-values": desired.run(),
                "alarms": alarms.run(),
            }.items():
                others.append(tasks.create_task(work, name=name))
            self._maintain(tasks, config)
            await unless(self._stop, meet(self._planned, config.devices))
            await unless(self._stop, self._fit_plans(events))
            samplers = make_samplers(self._planned, recording)
            events.plans_changed(recording, {sampler.key for sampler in samplers})
            sampling = [self._sample(tasks, sampler) for sampler in samplers if sampler.has_roles]
            if tracker.current is not None and not tracker.current.confirmed:
                # ask the tool whether the run still goes on before anything else is counted to it
                await unless(self._stop, recording.roles_seen.wait(), longest_s=_ROLES_WAIT_S)
            sampling += [self._sample(tasks, sampler) for sampler in samplers if not sampler.has_roles]
            log.info(
                "recording",
                machine=config.recorder.machine,
                parameters=len(definitions.readable),
                not_configured=len(definitions.definitions) - len(definitions.readable),
                devices=[item.device.name for item in self._planned],
                definitions=self._source.used,
            )
            running = Running(
                config=config,
                definitions=definitions,
                planned=self._planned,
                samplers=samplers,
                recording=recording,
                desired=desired,
                alarms=alarms,
                watching=self._watching,
                events=events,
                handlers=handlers,
                handlers_of=lambda wanted: recording.clear_way.between_scans(
                    self._watching.handlers(wanted, recording, events)
                ),
                start=lambda sampler: sampling.append(self._sample(tasks, sampler)),
                maintain=lambda wanted: self._maintain(tasks, wanted),
                adopted=self._adopt,
            )
            reload = Reload(running, reread=self._reread, source=self._source, manager=self._manager)
            handlers["reload"] = reload.answer
            others.append(tasks.create_task(reload.run(self._hung_up), name="reload"))
            await self._stop.wait()
            reload.end()
            log.info("stopping", waiting_entries=spool.depth.entries)
            for sampler in samplers:
                sampler.stop()
            if sampling:
                await asyncio.wait(sampling, timeout=_SCAN_END_S)
            for task in (*sampling, *others, self._maintenance):
                if task is not None:
                    task.cancel()
            await self._drain(writer, spool)
            # first, since a task that is cancelled while the server hangs waits for it to take back what it runs
            await self._database.close()
            writing.cancel()

    @staticmethod
    def _sample(tasks: asyncio.TaskGroup, sampler: Sampler) -> asyncio.Task[None]:
        return tasks.create_task(sampler.run(), name=f"sampler {sampler.key}")

    async def _fit_plans(self, events: EventLog) -> None:
        self._planned = await fit_all(self._planned, self._config.devices, events)

    def _maintain(self, tasks: asyncio.TaskGroup, config: Config) -> None:
        """Care for the database by a configuration, and no longer by the one before."""
        if self._maintenance is not None:
            self._maintenance.cancel()
        retention, folder = config.retention, config.recorder.data_directory
        warning_percent = retention.disk_warning_percent
        maintained = maintain(self._database, folder, keep_days=retention.days, warning_percent=warning_percent)
        self._maintenance = tasks.create_task(maintained, name="maintenance")

    def _adopt(self, config: Config, definitions: DefinitionSet, planned: Sequence[PlannedDevice]) -> None:
        self._config, self._definitions, self._planned = config, definitions, list(planned)

    async def _drain(self, writer: Writer, spool: Spool) -> None:
        """Write what is spooled; what there is no time for stays on disk for the next start."""
        if writer.state is WriterState.WRITING:
            with suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_S):
                    await writer.drained()
        if spool.depth.entries:
            log.warning("left_in_spool", entries=spool.depth.entries, writer=writer.state)

    @asynccontextmanager
    async def _control(
        self,
        recording: Recording,
        events: EventLog,
        *,
        writer: Writer,
        auditor: Auditor,
        desired: Desired,
        alarms: Alarms,
    ) -> AsyncIterator[dict[str, Handler]]:
        async def status(_request: Mapping[str, Any]) -> dict[str, Any]:
            assert self._definitions is not None
            return picture(
                config=self._config,
                definitions=self._definitions,
                definitions_source=self._source.used,
                planned=self._planned,
                recording=recording,
                writer=writer,
                auditor=auditor,
                desired=desired,
                alarms=alarms,
                database=self._database,
                tally=self._watching.tally,
                lag=self._lag,
            )

        def probed() -> list[tuple[Device, PlanLimits]]:
            return [(item.device, plan_limits(self._config.devices[item.device.name])) for item in self._planned]

        assert self._definitions is not None
        looks: dict[str, Handler] = {
            **self._watching.handlers(self._definitions, recording, events),
            "status": status,
            **metrics_handler(status, latency=self._latency, database=self._database, slots=self._watching.slots),
            **alarms.handlers(),
        }
        handlers: dict[str, Handler] = {
            **recording.clear_way.between_scans(looks),
            **run_handlers(recording),
            **desired.handlers(),
            "probe": probe_handler(probed),
            "identify": identify_handler(probed),
        }
        async with serve(Path(self._config.control_socket), handlers):
            yield handlers
