"""Another configuration and other definitions while the recorder records: read, examined, then taken over at once.

All that takes time happens in another thread, on what nobody uses yet; what cannot be is refused as a whole, and what
was there before goes on. Taking over is a matter of a few assignments: each grid reads by its new plan from its next
slot on, so no slot is missed and none is read by half of each.
"""

import asyncio
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from recorder import logs
from recorder.acquisition.event_log import EventLog
from recorder.acquisition.recording import Recording, Roles
from recorder.acquisition.replan import Replanned, replan
from recorder.acquisition.sampler import Sampler
from recorder.acquisition.setup import PlannedDevice, make_samplers, resolve_roles
from recorder.alarms.alarms import Alarms
from recorder.alarms.limit_watch import limits_of
from recorder.config.changes import ConfigChanges, changes, with_live_fields
from recorder.config.file import Config
from recorder.control import Handler
from recorder.definitions.definitions import DefinitionSet
from recorder.definitions.diff import difference
from recorder.definitions.source import DefinitionSource
from recorder.errors import DatabaseError, RecorderError, UsageError
from recorder.service.notify import ServiceManager
from recorder.set_values.desired import Desired
from recorder.set_values.drift import DriftWatch
from recorder.status.watching import Watching

log = structlog.get_logger()


@dataclass(kw_only=True, slots=True)
class Running:
    """What runs, as far as another configuration or other definitions change it.

    Attributes:
        handlers: of the control socket.
        handlers_of: those of them that answer by the definitions.
        start: begins to sample.
        maintain: goes on with the care of the database by another configuration.
        adopted: told what is in force from now on.
    """

    config: Config
    definitions: DefinitionSet
    planned: Sequence[PlannedDevice]
    samplers: list[Sampler]
    recording: Recording
    desired: Desired
    alarms: Alarms
    watching: Watching
    events: EventLog
    handlers: MutableMapping[str, Handler]
    handlers_of: Callable[[DefinitionSet], Mapping[str, Handler]]
    start: Callable[[Sampler], object]
    maintain: Callable[[Config], object]
    adopted: Callable[[Config, DefinitionSet, Sequence[PlannedDevice]], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    """What is to be taken over.

    Attributes:
        kept: why the definitions are still the old ones; empty where they were read.
        replanned: None where what is read does not change.
        differences: of the definitions, in words.
        drift_watch: None where it stays.
    """

    config: Config
    changes: ConfigChanges
    definitions: DefinitionSet
    kept: str
    roles: Roles
    replanned: Replanned | None
    differences: Mapping[str, Sequence[str]]
    drift_watch: DriftWatch | None


class Reload:
    """Reloads on demand, one at a time.

    Args:
        reread: reads the configuration again; None where the recorder was not started from a file.
        source: of the definitions.
        manager: told that a reload begins and ends.
    """

    def __init__(
        self,
        running: Running,
        *,
        reread: Callable[[], Config] | None,
        source: DefinitionSource,
        manager: ServiceManager,
    ) -> None:
        self._running = running
        self._reread = reread
        self._source = source
        self._manager = manager
        self._turn = asyncio.Lock()
        self._is_over = False

    def end(self) -> None:
        """Take nothing over any more: the recorder stops."""
        self._is_over = True

    async def run(self, asked: asyncio.Event) -> None:
        """Reload each time that it is asked for; until cancelled."""
        while True:
            await asked.wait()
            asked.clear()
            try:
                await self.now()
            except RecorderError:
                continue  # told already, and what was there before goes on
            except Exception:  # a fault of ours in a reload must not end the recording
                log.exception("reload_failed")

    async def answer(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        """The control command ``reload``."""
        return await self.now()

    async def now(self) -> dict[str, Any]:
        """Reload, and say what changed.

        Raises:
            RecorderError: it is refused, in one line; nothing has changed.
        """
        async with self._turn:
            self._manager.reloading()
            try:
                prepared = await asyncio.to_thread(self._prepare)
                if self._is_over:
                    raise UsageError("reload: the recorder is stopping")
                return await self._take_over(prepared)
            except RecorderError as error:
                log.error("reload_refused", reason=str(error))  # noqa: TRY400  (one line; whoever asked gets it too)
                raise
            finally:
                self._manager.ready()

    def _prepare(self) -> _Prepared:
        """Read and examine everything, and make what takes time; in another thread, on nothing that is in use."""
        running = self._running
        if self._reread is None:
            raise UsageError("reload: this recorder was not started from a configuration file; restart it")
        wanted = self._reread()
        changed = changes(running.config, wanted)
        config = with_live_fields(running.config, wanted)
        kept, definitions = "", running.definitions
        try:
            definitions = asyncio.run(self._source.load())
        except DatabaseError as error:
            kept = str(error)
        roles = resolve_roles(config.process, definitions)
        limits_of(config.alarms, definitions)  # refused as a whole where one is on what is not there
        _ = definitions.readable  # worked out once, and here
        is_same = definitions.version == running.definitions.version and roles == running.recording.roles
        replanned = None
        if not is_same or any(field.startswith("devices.") for field in changed.live):
            on_watch = self._on_watch
            replanned = replan(config, definitions, roles, running.planned, on_watch=on_watch)
        return _Prepared(
            config=config,
            changes=changed,
            definitions=definitions,
            kept=kept,
            roles=roles,
            replanned=replanned,
            differences=_differences(running.definitions, definitions),
            drift_watch=running.desired.another_watch(config, definitions),
        )

    def _on_watch(self, device: str, kind: str, detail: Mapping[str, object]) -> None:
        self._running.events.warn(kind, detail, device=device)

    async def _take_over(self, prepared: _Prepared) -> dict[str, Any]:
        running = self._running
        before = running.definitions
        running.config, running.definitions = prepared.config, prepared.definitions
        self._read_by(prepared)
        running.recording.roles = prepared.roles
        running.watching.cycles_total = prepared.config.process.cycles_total
        running.desired.go_by(prepared.config, prepared.definitions, prepared.drift_watch)
        running.alarms.go_by(prepared.config, prepared.definitions)
        running.handlers.update(running.handlers_of(prepared.definitions))
        if prepared.definitions.version != before.version:
            tracker = running.recording.tracker
            tracker.context = replace(tracker.context, definitions_version=prepared.definitions.version)
            tracker.end_idle()  # a run keeps the version that it began with
        logs.set_level(prepared.config.log.level)
        if any(field.startswith("retention.") for field in prepared.changes.live):
            running.maintain(prepared.config)
        running.adopted(running.config, running.definitions, running.planned)
        told = self._tell(before, prepared)
        if not prepared.kept:
            await asyncio.to_thread(self._source.keep, prepared.definitions)
        return told

    def _read_by(self, prepared: _Prepared) -> None:
        """Give each grid its new plan, and begin those that are new."""
        running, replanned = self._running, prepared.replanned
        if replanned is None:
            return
        running.planned = replanned.planned
        known = {sampler.key: sampler for sampler in running.samplers}
        running.recording.roles = prepared.roles
        made = make_samplers(replanned.planned, running.recording)
        added = [sampler for sampler in made if sampler.key not in known]
        for item in replanned.planned:
            for interval_ms, plan in item.plans.items():
                sampler = known.get(f"{item.device.name}/{interval_ms}")
                if sampler is not None:
                    sampler.read_by(plan, item.watch)
        for kind, load, meaning in replanned.loads:
            running.events.warn(kind, {"reason": load.explain(), "meaning": meaning}, device=load.device)
        running.events.plan_warnings(replanned.planned)
        if added:
            keys = sorted(sampler.key for sampler in added)
            running.events.append("plan_changed", {"added": keys, "dropped": []})
        for sampler in added:
            running.samplers.append(sampler)
            running.start(sampler)

    def _tell(self, before: DefinitionSet, prepared: _Prepared) -> dict[str, Any]:
        """Log and record what changed; returns it for whoever asked."""
        told = {
            "changed": list(prepared.changes.live),
            "needs_restart": list(prepared.changes.needs_restart),
            "definitions": {"version": prepared.definitions.version, **prepared.differences},
            "definitions_kept": prepared.kept,
        }
        log.info("reloaded", **told)
        if prepared.changes.needs_restart:
            log.warning("needs_restart", fields=told["needs_restart"])
        if prepared.changes.live or prepared.definitions.version != before.version:
            self._running.events.append("reloaded", told)
        return told


def _differences(before: DefinitionSet, after: DefinitionSet) -> dict[str, list[str]]:
    """Names of parameters that came, went, or are defined otherwise."""
    old = {definition.full_name for definition in before.definitions}
    new = {definition.full_name for definition in after.definitions}
    differ = {found.parameter for found in difference({"old": before.definitions, "new": after.definitions})}
    return {"added": sorted(new - old), "removed": sorted(old - new), "changed": sorted(differ & old & new)}
