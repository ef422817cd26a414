"""What happens to devices, plans and set-values: told in the log, and spooled to be recorded."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final

import structlog

from hal.health import DeviceEvent, DeviceState
from hal.hole import Hole
from recorder.acquisition.hole_file import HoleFile
from recorder.acquisition.recording import Recording
from recorder.acquisition.setup import PlannedDevice
from recorder.clock.clock import Clock
from recorder.spool.entry import Entry, EntryKind
from recorder.spool.spool import Spool

if TYPE_CHECKING:
    import asyncio

_OF_DEVICE: Final = {
    DeviceState.CONNECTED: "device_connected",
    DeviceState.CONNECTING: "device_lost",
    DeviceState.BACKING_OFF: "device_unreachable",
    DeviceState.STOPPED: "device_stopped",
}

log = structlog.get_logger()


class EventLog:
    """Tells events; every method is called in the event loop and blocks nobody.

    Args:
        see: told each entry that is spooled here.
    """

    def __init__(
        self, spool: Spool, clock: Clock, *, see: Callable[[Sequence[Entry]], None] = lambda _entries: None
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._see = see

    def append(
        self,
        kind: str,
        detail: Mapping[str, object],
        *,
        device: str = "",
        process_id: int | None = None,
        occurred_us: int | None = None,
    ) -> "asyncio.Future[int]":
        """Spool an event, of a process where it is named, of now where no time is; the log is for the caller.

        Returns:
            Done when it is on disk; nobody has to wait for it.
        """
        header: dict[str, object] = {
            "event": kind,
            "occurred_us": self._clock.now_us() if occurred_us is None else occurred_us,
            "device": device,
            "detail": dict(detail),
        }
        if process_id is not None:
            header["process_id"] = process_id
        entry = Entry(kind=EntryKind.EVENT, header=header)
        self._see([entry])
        future = self._spool.append([entry])
        # a spool that cannot be written says so itself, and keeps the event for the next append
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

    def warn(self, kind: str, detail: Mapping[str, object], *, device: str = "") -> None:
        """Spool an event and log it."""
        log.warning(kind, device=device, **detail)
        self.append(kind, detail, device=device)

    def device(self, event: DeviceEvent) -> None:
        """A device was found, lost or not found."""
        kind = _OF_DEVICE[event.state]
        level = log.info if event.state is DeviceState.CONNECTED else log.warning
        level(kind, device=event.device, reason=event.reason)
        detail = {} if event.reason is None else {"reason": event.reason}
        self.append(kind, detail, device=event.device)

    def holes(self, file: HoleFile, device: str, holes: Sequence[Hole]) -> None:
        """What a device refuses has changed; it is kept for the next start too."""
        try:
            found, gone = file.replace(device, holes)
        except OSError as error:
            log.warning("refused_addresses_not_kept", device=device, reason=str(error))
            return
        for kind, changed in (("address_refused", found), ("address_answers_again", gone)):
            if changed:
                log.warning(kind, device=device, addresses=[str(hole) for hole in changed])
                self.append(kind, {"addresses": [hole.to_plain() for hole in changed]}, device=device)

    def plans_changed(self, recording: Recording, keys: AbstractSet[str]) -> None:
        """Record which devices and intervals came or went while no recorder was there, for the audit of its run."""
        before = recording.last_slots
        if recording.resumed is None or keys == before.keys():
            return
        detail = {"added": sorted(keys - before.keys()), "dropped": sorted(before.keys() - keys)}
        self.append("plan_changed", detail)
        for key in detail["dropped"]:
            del before[key]

    @staticmethod
    def plan_warnings(planned: Sequence[PlannedDevice]) -> None:
        """Say what the read plans cannot do, before the first scan."""
        for item in planned:
            for interval_ms, plan in item.plans.items():
                for warning in plan.warnings:
                    name = item.device.name
                    log.warning(warning.code, device=name, interval_ms=interval_ms, reason=warning.message)
