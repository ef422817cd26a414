"""A daemon without a tool: the real control socket and the real answers, about values that a test sets."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from hal.health import DeviceHealth, DeviceState
from hal.parameter import DataType, RegisterKind
from hal.plan import ReadPlan, plans_by_interval
from hal.quality import FIRST_UNCERTAIN, Quality
from hal.scan import Scan
from recorder.acquisition.recording import LatestScan
from recorder.alarms.alarm import Alarm, AlarmDefinition, AlarmState, Move, Priority
from recorder.alarms.alarms import plain
from recorder.control import Handler, serve
from recorder.definitions.definitions import Definition, DefinitionSet
from recorder.errors import DatabaseUnreachableError, UsageError
from recorder.spool.entry import Entry, EntryKind
from recorder.status.live_values import LiveValues
from recorder.status.recent_events import RecentEvents
from recorder.status.why import Asked, chain

INTERVAL_MS: Final = 100
START_US: Final = 1_795_000_000_000_000
SECOND_US: Final = 1_000_000
KEY: Final = f"plc/{INTERVAL_MS}"


def make_definitions(count: int) -> DefinitionSet:
    """So many parameters; the first is the chamber's pressure, the second a heater that can be set."""
    special: dict[int, dict[str, Any]] = {
        0: {"component": "Process", "name": "chamber_pressure", "unit": "Torr"},
        1: {
            "component": "Heater",
            "name": "temperature_set",
            "unit": "°C",
            "is_writable": True,
            "min_value": 0.0,
            "max_value": 300.0,
            "set_value": 120.0,
            "tolerance": 1.0,
        },
        2: {"component": "Valve 1", "name": "is_open", "unit": "boolean", "data_type": DataType.UINT16},
    }
    definitions = []
    for at in range(count):
        fields: dict[str, Any] = {"component": f"Component {at // 10}", "name": f"value_{at}", **special.get(at, {})}
        fields = {"data_type": DataType.FLOAT32, **fields}
        address = {"register_kind": RegisterKind.HOLDING_REGISTER, "address": 2 * at}
        definitions.append(Definition(id=at + 1, **address, **fields))
    # nobody gave this one an address
    definitions.append(Definition(id=count + 1, component="Spare", name="not_configured"))
    return DefinitionSet(machine="Test tool", definitions=tuple(definitions))


@dataclass(kw_only=True)
class Daemon:
    """What it says, for a test to change.

    Attributes:
        gates: what is waited for before a command is answered.
    """

    path: Path
    definitions: DefinitionSet
    runs: int = 3
    now_us: int = START_US
    process: dict[str, Any] | None = field(
        default_factory=lambda: {
            "process_id": 77,
            "kind": "recipe",
            "recipe": "Al2O3",
            "started_us": START_US - 65 * SECOND_US,
            "step": 2,
            "cycle": 5,
            "cycles_total": 20,
            "labels": {"operator": "Ada", "lot": ""},
        }
    )
    device_state: DeviceState = DeviceState.CONNECTED
    database_is_away: bool = False
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    status_changes: dict[str, Any] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    latest: dict[str, LatestScan] = field(default_factory=dict)
    set_outcome: str = "done"
    set_came: asyncio.Event = field(default_factory=asyncio.Event)
    set_hangs: bool = False
    alarms: dict[str, tuple[AlarmDefinition, Alarm]] = field(default_factory=dict)
    notes: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.events = RecentEvents()
        plans = plans_by_interval(d.to_parameter() for d in self.definitions.readable)
        self.plan: ReadPlan = plans[INTERVAL_MS]
        count = len(self.plan.parameter_ids)
        self.values = np.arange(count, dtype=np.float64) + 0.5
        self.quality = np.full(count, Quality.GOOD, np.int16)
        self.live = LiveValues(self.latest, self.definitions, now_us=lambda: self.now_us, process=lambda: self.process)
        self.scan()

    def row(self, name: str) -> int:
        """Where a plan reads a parameter."""
        definition = self.definitions.find(name)
        assert definition is not None
        return int((self.plan.parameter_ids == definition.id).nonzero()[0][0])

    def scan(self, *, later_us: int = INTERVAL_MS * 1000) -> None:
        """Read once more, a little later."""
        self.now_us += later_us
        values = np.where(self.quality >= FIRST_UNCERTAIN, self.values, np.nan)
        scan = Scan(
            device="plc",
            parameter_ids=self.plan.parameter_ids,
            monotonic_ns=np.zeros(len(values), np.int64),
            values=values,
            set_values=np.full(len(values), np.nan),
            quality=self.quality.copy(),
            requests=1,
            failed_blocks=0,
            cause=None,
            error=None,
            started_ns=0,
            ended_ns=0,
        )
        times_us = np.full(len(values), self.now_us, np.int64)
        self.latest[KEY] = LatestScan(plan=self.plan, scan=scan, timestamps_us=times_us)

    def set(self, name: str, value: float, quality: Quality = Quality.GOOD) -> None:
        """Give a parameter another value, and read it."""
        self.values[self.row(name)], self.quality[self.row(name)] = value, quality
        self.scan()

    def tell(self, kind: str, **detail: object) -> None:
        """Let something happen."""
        header = {"event": kind, "occurred_us": self.now_us, "device": "plc", "detail": detail}
        self.events.see([Entry(kind=EntryKind.EVENT, header=header)])

    @property
    def handlers(self) -> dict[str, Handler]:
        """Commands as the daemon has them, noted down as they are asked."""

        def noted(command: str, answer: Handler) -> Handler:
            async def handler(request: Mapping[str, Any]) -> Any:
                self.asked.append(request)
                if command in self.gates:
                    await self.gates[command].wait()
                return await answer(request)

            return handler

        known: dict[str, Handler] = {
            "status": self._status,
            "parameters": self.live.parameters,
            "values": self.live.values,
            "events": self.events.events,
            "why": self._why,
            "runs_page": self._runs_page,
            "runs_start": self._runs_start,
            "runs_stop": self._runs_stop,
            "trend": self._trend,
            "set": self._set,
            "alarms": self._alarms,
            "acknowledge": self._acknowledge,
            "shelve": self._shelve,
            "unshelve": self._unshelve,
            "runs_note": self._runs_note,
            "runs_notes": self._runs_notes,
        }
        return {name: noted(name, answer) for name, answer in known.items() if name not in self.without}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer for as long as the block runs."""
        async with serve(self.path, self.handlers):
            yield

    def asked_for(self, command: str) -> list[Mapping[str, Any]]:
        """The requests of one command."""
        return [request for request in self.asked if request["command"] == command]

    async def _status(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        stage = {"count": 10, "p50": 1.5, "p95": 2.5, "p99": 12.25, "max": 123.4, "trend": [1.0, None, 3.0]}
        return {
            "state": "recording",
            "pid": 4711,
            "machine": "Test tool",
            "process": self.process,
            "devices": [
                {
                    "name": "plc",
                    "state": self.device_state,
                    "round_trip_ms": 1.25,
                    "next_try_ms": None,
                    "last_error": None,
                    "frozen": False,
                    "refused": [],
                    "load_percent": 3.0,
                    "plans": {"100": {"parameters": len(self.plan.parameters), "requests": 7}},
                }
            ],
            "scans": {"scheduled": 100, "completed": 98, "late": 1, "failed": 0, "skipped": 1, "rows": 9_000},
            "run_slots": {
                "process_id": 77,
                "rows": 9_000,
                "devices": {"plc": [99, 100]},
                "slots": [["completed", "", 98], ["late", "", 1], ["skipped", "overrun", 1]],
            },
            "lost": 0,
            "alarms": self._counts(),
            "first_alarm": next((row for row in self._standing() if row["state"] == "unacknowledged"), None),
            "recent_latency_ms": dict.fromkeys(("read", "decode", "spool", "commit", "sample_to_commit"), stage),
            "spool": {"entries": 1, "bytes": 20_000, "max_bytes": 2_000_000_000, "shed_entries": 0},
            "writer": {"state": "writing", "last_error": None, "rows": 9_000, "lost_rows": 0},
            "pool": {"size": 5, "idle": 4},
            "clock": {"synchronised": True, "offset_us": 12},
            "definitions": {"parameters": 3, "readable": 2, "version": self.definitions.version, "source": "database"},
            "disk_used_percent": 42.0,
            **self.status_changes,
        }

    def raise_alarm(self, name: str, text: str, *, priority: Priority = Priority.HIGH, value: float = 5.5) -> None:
        """Let an alarm be raised."""
        definition = AlarmDefinition(id=name, text=text, priority=priority, parameter="", limit=5.0, unit="Torr")
        self.alarms[name] = (definition, Alarm().begin(self.now_us, value)[0])

    def end_alarm(self, name: str) -> None:
        """Let what raised an alarm be over."""
        definition, alarm = self.alarms[name]
        self.alarms[name] = (definition, alarm.end(self.now_us)[0])

    def _counts(self) -> dict[str, int]:
        counts = dict.fromkeys(map(str, AlarmState), 0)
        for _, alarm in self.alarms.values():
            counts[alarm.state] += 1
        return counts

    def _standing(self) -> list[dict[str, Any]]:
        return [plain(*each) for each in self.alarms.values() if each[1].state is not AlarmState.NORMAL]

    async def _alarms(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        return {"counts": self._counts(), "alarms": self._standing()}

    def _say(self, name: str, move: Move) -> dict[str, Any]:
        definition, alarm = self.alarms[name]
        try:
            self.alarms[name] = (definition, move(alarm, self.now_us)[0])
        except ValueError as error:
            raise UsageError(f"{name} {error}") from error
        return plain(*self.alarms[name])

    async def _acknowledge(self, request: Mapping[str, Any]) -> dict[str, Any]:
        waiting = [name for name, (_, alarm) in self.alarms.items() if alarm.waits]
        names = waiting if request["id"] is None else [request["id"]]
        return {"alarms": [self._say(name, partial(Alarm.acknowledge, by=request["by"])) for name in names]}

    async def _shelve(self, request: Mapping[str, Any]) -> dict[str, Any]:
        for_us = round(request["minutes"] * 60 * SECOND_US)
        return self._say(request["id"], partial(Alarm.shelve, for_us=for_us, by=request["by"]))

    async def _unshelve(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._say(request["id"], Alarm.unshelve)

    async def _runs_note(self, request: Mapping[str, Any]) -> dict[str, Any]:
        note = {"at_us": self.now_us, "by": request["by"], "text": request["text"]}
        self.notes.setdefault(request["process_id"], []).append(note)
        return {**note, "run": request["process_id"]}

    async def _runs_notes(self, request: Mapping[str, Any]) -> dict[str, Any]:
        notes = self.notes.get(request["process_id"], [])
        return {"is_complete": not self.database_is_away, "notes": notes}

    async def _why(self, request: Mapping[str, Any]) -> list[dict[str, str]]:
        definition = self.definitions.definitions[request["id"] - 1]
        health = DeviceHealth(
            state=self.device_state,
            last_error=None if self.device_state is DeviceState.CONNECTED else "plc: connect: Connection refused",
            connected_since_ns=None,
            next_try_ns=2_500_000_000,
            round_trip_ns=None,
            failures=3,
        )
        quality = int(self.quality[self.row(definition.full_name)]) if definition.has_address else None
        asked = Asked(
            name=definition.full_name,
            device="plc",
            interval_ms=INTERVAL_MS,
            error=None,
            is_configured=definition.has_address,
            is_read=definition.has_address,
            age_us=100_000,
            quality=quality,
            health=health,
            now_ns=0,
            down_us=34_000_000,
            is_frozen=False,
            refused=(),
        )
        return [asdict(reason) for reason in chain(asked)]

    async def _runs_page(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self.database_is_away:
            raise DatabaseUnreachableError("console_runs_page: db:5432/ald is not reachable; check that it runs")
        search = request["search"]
        numbers = [n for n in range(self.runs, 0, -1) if not search or search in f"lot{n}"] if search else None
        total = self.runs if numbers is None else len(numbers)
        span = range(request["offset"], min(total, request["offset"] + request["limit"]))
        rows = [self._run(self.runs - at if numbers is None else numbers[at]) for at in span]
        return {"total": total, "offset": request["offset"], "until_us": START_US, "rows": rows}

    @staticmethod
    def _run(number: int) -> dict[str, Any]:
        started_us = START_US - (1_000_000 - number) * 60 * SECOND_US
        return {
            "id": number,
            "kind": "recipe",
            "recipe": "Al2O3",
            "operator": "Ada",
            "lot": f"lot{number}",
            "substrate": "Si",
            "note": "",
            "status": "completed",
            "audit_verdict": "balances",
            "started_at": started_us,
            "ended_at": started_us + 59 * SECOND_US,
        }

    async def _runs_start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self.process is not None and self.process["kind"] != "idle":
            raise UsageError("run 77 is under way; stop it first: ald-recorder runs stop")
        self.process = {"process_id": 78, "kind": "manual", "recipe": request["recipe"], "step": None, "cycle": None}
        return {"run": 78}

    async def _runs_stop(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        self.process = {"process_id": 79, "kind": "idle", "recipe": "", "step": None, "cycle": None}
        return {"run": 77}

    async def _trend(self, request: Mapping[str, Any]) -> dict[str, Any]:
        series = {parameter_id: [[part, 1.0, 2.0] for part in (1, 2, 3)] for parameter_id in request["ids"]}
        return {"from_us": request["from_us"], "to_us": request["to_us"], "parts": request["parts"], "series": series}

    async def _set(self, request: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        self.set_came.set()
        if self.set_hangs:
            await asyncio.Event().wait()
        ((name, value),) = request["values"].items()
        before = float(self.values[self.row(name)])
        if self.set_outcome == "done":
            self.set(name, value)
        result = {"parameter": name, "value": value, "unit": "°C", "outcome": self.set_outcome, "before": before}
        return [{**result, "read_back": value, "message": f"{name} is {value:g} °C"}]
