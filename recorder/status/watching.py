"""What the daemon tells those who watch it: live values, recent events, why a value is stale, pages of history."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from recorder.acquisition.event_log import EventLog
from recorder.acquisition.recording import Recording
from recorder.acquisition.setup import PlannedDevice
from recorder.acquisition.slot_counters import SlotCounters
from recorder.control import Handler
from recorder.database import Database
from recorder.definitions.definitions import Definition, DefinitionSet
from recorder.errors import UsageError
from recorder.runs.notes import RunNotes
from recorder.runs.pages import RunPages
from recorder.runs.tally import RunTally
from recorder.spool.entry import Entry
from recorder.status.live_values import LiveValues
from recorder.status.recent_events import RecentEvents
from recorder.status.why import Asked, chain


class WhyRequest(BaseModel):
    """Which parameter is asked about."""

    id: int


class Watching:
    """Sees what is recorded, and answers who asks; one of it for each daemon.

    Args:
        planned: the devices as they are planned now.
        cycles_total: ``component/parameter`` with how many cycles the recipe has; empty where there is none; it may be
            set anew before `handlers` is called again.

    Attributes:
        events: the last events.
        tally: slots of the run in force by outcome and cause.
        slots: slots of each device by outcome and cause since the start.
    """

    def __init__(
        self, planned: Callable[[], Sequence[PlannedDevice]], database: Database, *, cycles_total: str = ""
    ) -> None:
        self._planned = planned
        self.cycles_total = cycles_total
        self._database = database
        self.events = RecentEvents()
        self.tally = RunTally()
        self.slots = SlotCounters()

    def see(self, entries: Sequence[Entry]) -> None:
        """Take in what goes to the spool."""
        self.events.see(entries)
        self.tally.see(entries)
        self.slots.see(entries)

    def handlers(self, definitions: DefinitionSet, recording: Recording, events: EventLog) -> dict[str, Handler]:
        """The commands of the control socket that this answers; from here on it sees what is spooled."""
        recording.on_spooled = self.see
        cycles = definitions.find(self.cycles_total) if self.cycles_total else None
        by_id = {definition.id: definition for definition in definitions.definitions}
        readable = {definition.id for definition in definitions.readable}

        def process() -> dict[str, Any] | None:
            current = recording.tracker.current
            if current is None:
                return None
            step, cycle = recording.tracker.step, recording.tracker.cycle
            return {
                "process_id": current.process_id,
                "kind": current.kind,
                "step": step,
                "cycle": cycle,
                "cycles_total": None if cycles is None or cycles.id is None else values.value_of(cycles.id),
            }

        async def why(request: Mapping[str, Any]) -> list[dict[str, str]]:
            try:
                definition = by_id[WhyRequest.model_validate(dict(request)).id]
            except (ValueError, KeyError) as error:
                raise UsageError("why: id: there is no such parameter") from error
            asked = self._asked(definition, recording, is_configured=definition.id in readable)
            return [asdict(reason) for reason in chain(asked)]

        values = LiveValues(recording.latest, definitions, now_us=recording.clock.now_us, process=process)
        pages = RunPages(self._database, definitions.machine)
        notes = RunNotes(recording=recording, events=events, recent=self.events, pages=pages)
        return {
            "parameters": values.parameters,
            "values": values.values,
            "events": self.events.events,
            "why": why,
            "runs_page": pages.runs_page,
            "trend": pages.trend,
            **notes.handlers(),
        }

    def _asked(self, definition: Definition, recording: Recording, *, is_configured: bool) -> Asked:
        name, now_us = definition.device, recording.clock.now_us()
        item = next((item for item in self._planned() if item.device.name == name), None)
        interval_ms, age_us, quality, error = definition.scan_interval_ms, None, None, None
        for key, latest in recording.latest.items():
            rows = (latest.scan.parameter_ids == definition.id).nonzero()[0]
            if len(rows):
                row = int(rows[0])
                interval_ms = int(key.rpartition("/")[2])
                age_us, quality = now_us - int(latest.timestamps_us[row]), int(latest.scan.quality[row])
                error = latest.scan.error
        down_since_us = self.events.down_since_us(name)
        return Asked(
            name=definition.full_name,
            device=name,
            is_configured=is_configured,
            is_read=age_us is not None,
            interval_ms=interval_ms,
            age_us=age_us,
            quality=quality,
            error=error,
            health=None if item is None else item.device.health,
            now_ns=recording.clock.monotonic_ns(),
            down_us=None if down_since_us is None else now_us - down_since_us,
            is_frozen=item is not None and item.watch.is_frozen,
            refused=_refused(item, definition),
        )


def _refused(item: PlannedDevice | None, definition: Definition) -> list[str]:
    """Holes of the device that touch the parameter's own addresses."""
    if item is None or not definition.has_address:
        return []
    parameter = definition.to_parameter()
    return [
        str(hole)
        for hole in item.device.holes
        if hole.kind is parameter.kind and hole.first <= parameter.last_address and hole.last >= parameter.address
    ]
