"""What the tool shall hold: the cache of set-values, who changes them here, who elsewhere, and at the tool itself."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from hal.plan import ReadPlan
from hal.scan import Scan
from recorder.acquisition.event_log import EventLog
from recorder.acquisition.recording import Recording
from recorder.config.file import Config
from recorder.control import Handler
from recorder.database import Database
from recorder.database.notices import Hearing
from recorder.definitions.definitions import DefinitionSet
from recorder.errors import UsageError
from recorder.runs.run import ProcessKind
from recorder.set_values.cache import SetValues
from recorder.set_values.drift import Drift, DriftWatch
from recorder.set_values.listener import set_value_notices
from recorder.set_values.parameter_step import ParameterSteps, Surroundings, WritableDevice
from recorder.set_values.source import DatabaseSetValues
from recorder.set_values.step import Step
from recorder.set_values.write_rules import RecipeState
from recorder.spool.entry import Entry, EntryKind


class Desired:
    """Owns the set-values of one machine; `run` keeps them fresh, `look` compares each scan.

    Args:
        database: its pool answers the cache.
        listen_dsn: of the server itself, for notices.
        device_of: the device of a name; None where it is not read.
    """

    def __init__(
        self,
        *,
        config: Config,
        database: Database,
        listen_dsn: str,
        definitions: DefinitionSet,
        recording: Recording,
        events: EventLog,
        device_of: Callable[[str], WritableDevice | None],
    ) -> None:
        settings = config.set_values
        self._policy = settings.on_drift
        self._recording = recording
        self._events = events
        self.set_values = SetValues(
            DatabaseSetValues(database, machine=config.recorder.machine),
            ttl_s=settings.ttl_s,
            refresh_s=settings.refresh_s,
            stale_after_s=settings.stale_after_s,
        )
        hearing = Hearing(
            dsn=listen_dsn,
            schema=config.database.schema_name,
            machine=config.recorder.machine,
            application_name=f"ald-recorder/{config.recorder.number} listener",
        )
        self.listener = set_value_notices(self.set_values, hearing)
        self.steps = ParameterSteps(
            config.writes,
            definitions=definitions,
            set_values=self.set_values,
            around=Surroundings(
                device_of=device_of,
                recipe=self.recipe_state,
                process_id=self._process_id,
                before=recording.tool_set_value,
                spool=recording.spool_now,
                is_stored=lambda sequence: recording.spool.acknowledged >= sequence,
                now_us=recording.clock.now_us,
                monotonic_s=time.monotonic,
            ),
        )
        self._watched = definitions.version, settings.drift_after_s
        self.drift = self._watch(definitions, settings.drift_after_s)
        recording.lookers.append(self.look)

    def _watch(self, definitions: DefinitionSet, after_s: float) -> DriftWatch:
        return DriftWatch(
            definitions.definitions,
            self.set_values,
            after_s=after_s,
            tell=self._drifted,
            is_busy=lambda: self.steps.is_busy,
        )

    def another_watch(self, config: Config, definitions: DefinitionSet) -> DriftWatch | None:
        """The watch for `go_by`, None where it stays; it takes its time, and may be made in another thread."""
        after_s = config.set_values.drift_after_s
        return None if self._watched == (definitions.version, after_s) else self._watch(definitions, after_s)

    def go_by(self, config: Config, definitions: DefinitionSet, watch: DriftWatch | None) -> None:
        """Go by another configuration, other definitions and another watch from now on."""
        settings = config.set_values
        self._policy = settings.on_drift
        self.set_values.set_times(
            ttl_s=settings.ttl_s, refresh_s=settings.refresh_s, stale_after_s=settings.stale_after_s
        )
        self.steps.go_by(config.writes, definitions)
        if watch is not None:  # it tells again of what it finds
            self._watched = definitions.version, settings.drift_after_s
            self.drift = watch

    async def run(self) -> None:
        """Keep the set-values fresh until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.set_values.run(), name="set-values")
            tasks.create_task(self.listener.run(), name="set-value listener")

    def look(self, plan: ReadPlan, scan: Scan) -> None:
        """Compare what the tool holds with what is desired."""
        self.drift.look(plan, scan)

    @property
    def is_drift_alarm(self) -> bool:
        """Whether a set-value that is not what is desired is an alarm."""
        return self._policy == "alarm"

    def recipe_state(self) -> RecipeState:
        """Whether the tool runs a recipe, or an operator a run by hand."""
        recording = self._recording
        current = recording.tracker.current
        if current is not None and current.kind is not ProcessKind.IDLE:
            return RecipeState.RUNNING
        if recording.roles.run_state is None:
            return RecipeState.NONE
        if not recording.is_run_state_known:
            return RecipeState.UNKNOWN
        return RecipeState.RUNNING if recording.tracker.is_tool_running else RecipeState.NONE

    def picture(self) -> dict[str, Any]:
        """Cache, listener and drift as status shows them."""
        return {
            **self.set_values.metrics(),
            "is_listening": self.listener.is_listening,
            "listener_losses": self.listener.losses,
            "drift": [asdict(drift) for drift in self.drift.drifting.values()],
        }

    def handlers(self) -> dict[str, Handler]:
        """What answers the control command ``set``."""

        async def set_(request: Mapping[str, Any]) -> list[dict[str, Any]]:
            return [asdict(result) for result in await self.steps.apply(_step(request))]

        return {"set": set_}

    def _process_id(self) -> int | None:
        current = self._recording.tracker.current
        return None if current is None else current.process_id

    def _drifted(self, drift: Drift) -> None:
        """Record a change that was made at the tool, and let the desired value follow where it shall."""
        follows = self._policy == "follow"
        header = {
            "event": "set_value_changed",
            "occurred_us": self._recording.clock.utc_us(drift.monotonic_ns),
            "process_id": self._process_id(),
            "device": "",
            "parameter_id": drift.parameter_id,
            "old_value": drift.desired,
            "new_value": drift.tool,
            "changed_by": "tool",
            "source": "tool",
            "reason": "",
            "read_back": drift.tool,
            "outcome": "followed" if follows else "observed",
            "detail": {"parameter": drift.name},
        }
        spooled = self._recording.spool.append([Entry(kind=EntryKind.EVENT, header=header)])
        spooled.add_done_callback(lambda done: done.cancelled() or done.exception())
        detail = {"parameter": drift.name, "desired": drift.desired, "tool": drift.tool}
        self._events.warn("set_value_alarm" if self._policy == "alarm" else "set_value_drift", detail)


def _step(request: Mapping[str, Any]) -> Step:
    """Read what a client asks for.

    Raises:
        UsageError: it is no step.
    """
    values = request.get("values")
    is_plain = isinstance(values, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values.values()
    )
    if not is_plain:
        raise UsageError("set needs 'values', an object of component/parameter and number")
    assert isinstance(values, dict)
    try:
        numbers = {str(name): float(value) for name, value in values.items()}
    except OverflowError:
        numbers = {str(name): math.inf for name in values}
    changed_by, reason = request.get("changed_by"), request.get("reason")
    if not (isinstance(changed_by, str) and changed_by.strip() and isinstance(reason, str)):
        raise UsageError("set needs 'changed_by' and 'reason', as text: the change log says who and why")
    return Step(
        values=numbers,
        changed_by=" ".join(changed_by.split())[:100],
        reason=reason,
        during_recipe=request.get("during_recipe") is True,
    )
