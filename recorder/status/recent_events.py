"""The last events of this daemon, in memory: what an operator reads first, with the database there or not."""

import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel, Field

from recorder.spool.entry import Entry, EntryKind
from recorder.status.requests import parse_request

KEPT: Final = 2_000
MOST_EVENTS: Final = 200
_TOLD_RUNS: Final = frozenset({"run_started", "run_ended"})
_RUN_NAMES: Final = ("process_id", "run")
_NOT_DETAIL: Final = frozenset({"event", "occurred_us", "started_us", "ended_us", "device", "detail"})


class EventsRequest(BaseModel):
    """Which events are asked for; `since` is the number of the last one that is known, of this `epoch`."""

    epoch: str = ""
    since: int = Field(default=0, ge=0)


class RecentEvents:
    """Keeps the last events, numbered from 1."""

    def __init__(self) -> None:
        self._epoch = secrets.token_hex(8)
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._last = 0
        self._down_since_us: dict[str, int] = {}

    def see(self, entries: Sequence[Entry]) -> None:
        """Take in what goes to the spool; only events, and the begin and end of runs, are kept."""
        for entry in entries:
            header = entry.header
            if entry.kind is EntryKind.EVENT or (entry.kind is EntryKind.PROCESS and header["event"] in _TOLD_RUNS):
                self._add(header)

    def _add(self, header: Mapping[str, Any]) -> None:
        kind, device = header["event"], header.get("device", "")
        at_us = next(header[name] for name in ("occurred_us", "started_us", "ended_us") if name in header)
        detail = header.get("detail")
        if detail is None:
            detail = {name: value for name, value in header.items() if name not in _NOT_DETAIL}
        self._last += 1
        self._events.append({"number": self._last, "at_us": at_us, "kind": kind, "device": device, "detail": detail})
        if kind == "device_connected":
            self._down_since_us.pop(device, None)
        elif kind in {"device_lost", "device_unreachable"}:
            self._down_since_us.setdefault(device, at_us)

    def down_since_us(self, device: str) -> int | None:
        """Since when a device is away, UTC microseconds; None where it is not, or since before this daemon began."""
        return self._down_since_us.get(device)

    def of_run(self, process_id: int) -> list[dict[str, Any]]:
        """What is known of a run: its begin and end, and what people wrote about it."""
        return [event for event in self._events if process_id in (event["detail"].get(name) for name in _RUN_NAMES)]

    async def events(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The next events after the one that the client knows, oldest first.

        Raises:
            UsageError: the request cannot be understood.
        """
        asked = parse_request(EventsRequest, request)
        since = asked.since if asked.epoch == self._epoch else 0
        first = self._last - len(self._events)
        found = list(islice(self._events, max(0, since - first), max(0, since - first) + MOST_EVENTS))
        return {"epoch": self._epoch, "last": self._last, "events": found}
