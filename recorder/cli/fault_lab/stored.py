"""What is in the database: scans as they were stored, and what the recorder's accounting says of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from recorder.cli.fault_lab.quarantined import read_quarantine
from recorder.cli.fault_lab.sent import Content
from recorder.database import single_session


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredScan:
    """The rows of one answer: one process, one device, one time.

    Attributes:
        content: None for the value where the row has none.
    """

    timestamp_us: int
    process_id: int
    device: str
    content: Content

    @property
    def has_values(self) -> bool:
        """Whether anything was read; else its rows say why not."""
        return any(value is not None for _, value in self.content)


@dataclass(frozen=True, kw_only=True, slots=True)
class Books:
    """What the recorder accounts for.

    Attributes:
        slots: by device, kind of process, outcome and cause.
        events: kind, device, detail, oldest first.
        imbalance: runs whose stored points are not those accounted for: run, stored, accounted.
        doubles: points that are stored twice.
        orphans: points that belong to no run.
    """

    slots: Mapping[tuple[str, str, str, str], int]
    events: Sequence[Mapping[str, Any]]
    imbalance: Sequence[tuple[int, int, int]]
    doubles: int
    orphans: int

    def slots_of(self, *outcomes: str, cause: str = "", device: str = "", kind: str = "") -> int:
        """How many slots ended so; what is left empty does not matter."""
        return sum(
            slots
            for (on, during, outcome, why), slots in self.slots.items()
            if outcome in outcomes and cause in {"", why} and device in {"", on} and kind in {"", during}
        )

    def events_of(self, kind: str) -> list[Mapping[str, Any]]:
        """The events of one kind."""
        return [event for event in self.events if event["kind"] == kind]


async def read_scans(dsn: str, schema: str, devices: Mapping[int, str]) -> list[StoredScan]:
    """All stored scans, in order of time; a row that is in quarantine completes its scan.

    Args:
        dsn: of the database.
        schema: in it.
        devices: device of each parameter.
    """
    async with single_session(dsn, schema) as session:
        rows = await session.fetch("lab_points")
    rows += (await read_quarantine(dsn, schema)).points
    rows.sort(key=lambda row: (row["timestamp_us"], row["process_id"]))
    found = []
    for (timestamp_us, process_id), group in groupby(rows, key=lambda row: (row["timestamp_us"], row["process_id"])):
        of_device: dict[str, list[tuple[int, float | None]]] = {}
        for row in group:
            of_device.setdefault(devices[row["parameter_id"]], []).append((row["parameter_id"], row["value"]))
        found += [
            StoredScan(timestamp_us=timestamp_us, process_id=process_id, device=device, content=frozenset(points))
            for device, points in of_device.items()
        ]
    return found


async def read_books(dsn: str, schema: str) -> Books:
    """The recorder's accounting."""
    async with single_session(dsn, schema) as session:
        slots = await session.fetch("lab_slots")
        events = await session.fetch("lab_events")
        imbalance = await session.fetch("lab_imbalance")
        doubles = await session.fetch_one("lab_doubles")
        orphans = await session.fetch_one("lab_orphans")
    assert doubles is not None
    assert orphans is not None
    return Books(
        slots={(row["device"], row["kind"], row["outcome"], row["cause"]): row["slots"] for row in slots},
        events=[{**event, "detail": json.loads(event["detail"])} for event in events],
        imbalance=[(row["process_id"], row["stored"], row["accounted"]) for row in imbalance],
        doubles=doubles["doubles"],
        orphans=orphans["orphans"],
    )
