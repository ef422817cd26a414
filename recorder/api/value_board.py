"""The newest value of every parameter, and what has changed since any earlier moment. Pure: no socket, no loop.

Each value has the version at which it changed last. A client remembers one number, so that a slow one costs nothing:
what changed while it did not read is told together, each value once, with what it is then.
"""

import json
import secrets
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hal.quality import Quality
from recorder.console.picture import ParameterRow, ProcessPicture, ValuesPicture

COLUMNS: Final = ("id", "value", "text", "set_value", "quality", "plan")
"""Of each row that a stream tells."""
EVERYTHING: Final = -1
_MOST_KEPT: Final = 256
"""Encoded pictures of one version: clients that read in time share few."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveValue:
    """A value as the daemon told it last.

    Attributes:
        text: of a parameter that is text and was read; it has no value.
        plan: place of its plan among `ValueBoard.plans`.
    """

    value: float | None
    text: str | None
    set_value: float | None
    quality: int
    plan: int


class ValueBoard:
    """Takes what the daemon says, and tells it to as many clients as there are.

    Attributes:
        epoch: names this board: versions of another mean nothing.
        version: of the newest answer.
        moved: of the newest answer that said something else than the one before.
        fault: why the daemon is not heard; None while it is.
        plans: device, interval in ms, UTC microseconds of the last sample, first failure of it.
        now_us: the daemon's clock as it answered.
    """

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(6)
        self.version = 0
        self.moved = 0
        self.fault: str | None = "nobody has asked the recorder yet"
        self.plans: Sequence[tuple[str, int, int | None, str | None]] = ()
        self.now_us = 0
        self.process: ProcessPicture | None = None
        self.parameters: Mapping[int, ParameterRow] = {}
        self._values: OrderedDict[int, tuple[int, LiveValue]] = OrderedDict()
        self._encoded: dict[tuple[int, Collection[int] | None], bytes] = {}

    def take_parameters(self, rows: Sequence[ParameterRow]) -> None:
        """Take other definitions; all clients begin anew, since ids may mean something else."""
        self.parameters = {row.id: row for row in rows}
        self._values.clear()
        self.epoch = secrets.token_hex(6)
        self._answered(is_moved=True)

    def take_values(self, picture: ValuesPicture) -> None:
        """Take what changed."""
        is_moved = bool(picture.ids or picture.texts or self.fault is not None or self.process != picture.process)
        self.plans, self.now_us, self.process = picture.plans, picture.now_us, picture.process
        self.fault = None
        self._answered(is_moved=is_moved)
        rows = zip(picture.ids, picture.values, picture.set_values, picture.quality, picture.places, strict=True)
        for parameter_id, value, set_value, quality, plan in rows:
            self._put(parameter_id, LiveValue(value=value, text=None, set_value=set_value, quality=quality, plan=plan))
        # a parameter that is text makes no row among the numbers
        for parameter_id, (text, plan) in picture.texts.items():
            quality = Quality.COMMUNICATION_FAILURE if text is None else Quality.GOOD
            self._put(parameter_id, LiveValue(value=None, text=text, set_value=None, quality=quality, plan=plan))

    def is_lost(self, fault: str) -> None:
        """The daemon is not heard: what was told is no longer live."""
        if self.fault != fault:
            self.fault = fault
            self._answered(is_moved=True)

    def _answered(self, *, is_moved: bool) -> None:
        self.version += 1
        if is_moved:
            self.moved = self.version
        self._encoded.clear()

    def _put(self, parameter_id: int, value: LiveValue) -> None:
        self._values[parameter_id] = (self.version, value)
        self._values.move_to_end(parameter_id)

    def get(self, parameter_id: int) -> LiveValue | None:
        """The newest value of a parameter; None where there is none."""
        found = self._values.get(parameter_id)
        return None if found is None else found[1]

    def _since(self, version: int) -> Iterator[tuple[int, LiveValue]]:
        for parameter_id, (changed, value) in reversed(self._values.items()):
            if changed <= version:
                return
            yield parameter_id, value

    def event(self, since: int, ids: Collection[int] | None = None) -> bytes:
        """What has changed since a version, as one server-sent event; `EVERYTHING` tells all.

        Args:
            since: what the client has already.
            ids: of the parameters that are wanted, hashable; None for all.
        """
        key = (since, ids)
        known = self._encoded.get(key)
        if known is None:
            known = self._encode(since, ids)
            if len(self._encoded) < _MOST_KEPT:
                self._encoded[key] = known
        return known

    def _encode(self, since: int, ids: Collection[int] | None) -> bytes:
        if self.fault is not None:
            return self.framed("away", {"detail": self.fault})
        picture: dict[str, Any] = {
            "now_us": self.now_us,
            "process": None if self.process is None else self.process_row(self.process),
            "plans": [
                {"device": device, "interval_ms": interval_ms, "timestamp_us": timestamp_us, "error": error}
                for device, interval_ms, timestamp_us, error in self.plans
            ],
            "columns": COLUMNS,
            "rows": [
                (parameter_id, value.value, value.text, value.set_value, value.quality, value.plan)
                for parameter_id, value in self._since(since)
                if ids is None or parameter_id in ids
            ],
        }
        return self.framed("snapshot" if since == EVERYTHING else "changes", picture)

    @staticmethod
    def process_row(process: ProcessPicture) -> dict[str, Any]:
        """The process in force, as each picture tells it."""
        return {
            "process_id": process.process_id,
            "kind": process.kind,
            "step": process.step,
            "cycle": process.cycle,
            "cycles_total": process.cycles_total,
        }

    def framed(self, event: str, data: object) -> bytes:
        """A server-sent event; JSON has no line break, which would end it."""
        text = json.dumps(data, separators=(",", ":"))
        return f"id: {self.epoch}-{self.version}\nevent: {event}\ndata: {text}\n\n".encode()

    def resume(self, last_event_id: str) -> int:
        """The version that a client says it has; `EVERYTHING` where that means nothing here."""
        epoch, _, version = last_event_id.rpartition("-")
        if epoch != self.epoch or not (version.isascii() and version.isdecimal()) or len(version) > len(str(1 << 63)):
            return EVERYTHING
        known = int(version)
        return known if known <= self.version else EVERYTHING
