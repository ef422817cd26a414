"""Why a value is as it is: from its quality back to the device, one link of the chain after the other. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hal.health import DeviceHealth, DeviceState
from hal.quality import FIRST_UNCERTAIN, MEANING, Quality

_STATES: Final = {
    DeviceState.STOPPED: "not started",
    DeviceState.CONNECTING: "connecting",
    DeviceState.HALF_OPEN: "connected, but has not answered yet",
    DeviceState.CONNECTED: "connected",
    DeviceState.BACKING_OFF: "not reachable, waiting for the next try",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A parameter whose value is asked about, with all that is known of it; times in microseconds.

    Attributes:
        quality: of its newest value; None where it is not read, or not yet.
        error: first failure of its newest scan, in words.
        down_us: how long its device has been away; None where it is not.
        refused: what its device refuses to say, as far as this parameter is concerned.
    """

    name: str
    device: str
    is_configured: bool
    is_read: bool
    interval_ms: int
    age_us: int | None
    quality: int | None
    error: str | None
    health: DeviceHealth | None
    now_ns: int
    down_us: int | None
    is_frozen: bool
    refused: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One link of the chain."""

    what: str
    says: str


def chain(asked: Asked) -> list[Reason]:
    """All links, the value's own first."""
    if not asked.is_configured:
        return [Reason(what="value", says="never read: its definition has no address")]
    if not asked.is_read or asked.quality is None:
        return [Reason(what="value", says="not read yet"), *_device(asked)]
    reasons = [Reason(what="value", says=_quality(asked.quality)), _scan(asked)]
    if asked.refused:
        reasons.append(Reason(what="refused", says=f"{asked.device} refuses {', '.join(asked.refused)}"))
    if asked.is_frozen:
        reasons.append(Reason(what="frozen", says=f"heartbeat or clock of {asked.device} stands still"))
    return reasons + _device(asked)


def _quality(code: int) -> str:
    meaning = MEANING.get(Quality(code), "") if code in set(Quality) else "unknown"
    if code >= Quality.GOOD:
        return f"live: quality {code}, {meaning}"
    kind = "uncertain" if code >= FIRST_UNCERTAIN else "no value"
    return f"{kind}: quality {code}, {meaning.removeprefix('uncertain: ')}"


def _scan(asked: Asked) -> Reason:
    if asked.age_us is None:
        return Reason(what="scan", says=f"due every {asked.interval_ms} ms, none has ended yet")
    late = " and overdue" if asked.age_us > 3_000 * asked.interval_ms + 1_000_000 else ""
    says = f"last one {_span(asked.age_us)} ago, due every {asked.interval_ms} ms{late}"
    return Reason(what="scan", says=says if asked.error is None else f"{says}: {asked.error}")


def _device(asked: Asked) -> list[Reason]:
    health = asked.health
    if health is None:
        return [Reason(what=f"device {asked.device}", says="unknown to this recorder")]
    since = "" if asked.down_us is None else f", away for {_span(asked.down_us)}"
    if health.connected_since_ns is not None:
        since = f" for {_span((asked.now_ns - health.connected_since_ns) // 1000)}"
    reasons = [Reason(what=f"device {asked.device}", says=f"{_STATES[health.state]}{since}")]
    if health.failures:
        reasons.append(Reason(what="tries", says=f"{health.failures} in a row failed"))
    if health.last_error:
        # it stays after recovery, and must not be taken for one of now
        past = " (before it connected)" if health.state is DeviceState.CONNECTED and asked.error is None else ""
        reasons.append(Reason(what="last error", says=f"{health.last_error}{past}"))
    if health.next_try_ns is not None:
        wait_us = max(0, health.next_try_ns - asked.now_ns) // 1000
        reasons.append(Reason(what="next try", says=f"in {_span(wait_us)}"))
    return reasons


def _span(microseconds: int) -> str:
    seconds = microseconds / 1e6
    if seconds < 10:  # noqa: PLR2004  (seconds; above, tenths say nothing)
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
