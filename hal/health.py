"""How a device is, and what of that is worth a record."""

from dataclasses import dataclass
from enum import StrEnum


class DeviceState(StrEnum):
    """What the owner of the connection is doing."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    HALF_OPEN = "half_open"
    """Connecting after repeated failures: one request has to be answered before scans are made."""
    CONNECTED = "connected"
    BACKING_OFF = "backing_off"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceHealth:
    """How a device is now; all times in monotonic nanoseconds.

    Attributes:
        last_error: the last thing that went wrong, in words; it stays after recovery.
        connected_since_ns: when the present connection opened; None without one.
        next_try_ns: when the next attempt to connect is due; None unless backing off.
        round_trip_ns: of the last request that brought data.
        failures: connections in a row that could not be opened or never answered.
    """

    state: DeviceState
    last_error: str | None
    connected_since_ns: int | None
    next_try_ns: int | None
    round_trip_ns: int | None
    failures: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceEvent:
    """A change worth a record: connected, lost (then connecting), or not reachable for a new reason (backing off).

    A circuit that is half open is no event: what comes of it is.

    Attributes:
        reason: what went wrong; None where a connection opened.
    """

    device: str
    state: DeviceState
    monotonic_ns: int
    reason: str | None
