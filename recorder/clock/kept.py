"""The time base of one life of the recorder, kept for the next: a process that goes on keeps the time it began with.

The wall clock may be set while the recorder is away, and a controller without a battery starts in the past. Within one
boot of the machine the monotonic clock knows how much time passed; after a boot the wall clock is all there is, but
never before what was recorded already.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from recorder.clock.clock import Clock
from recorder.runs.run import ProcessKind

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """What tells this boot of the machine from all others; empty where the system does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptClock:
    """One moment in both times.

    Attributes:
        boot: the boot to which the monotonic time belongs.
        utc_us: the recorder's UTC at `monotonic_ns`.
        is_worth_waiting: False once a start has waited for a synchronised clock in vain, until one was seen.
    """

    boot: str
    monotonic_ns: int
    utc_us: int
    is_worth_waiting: bool = True

    @classmethod
    def of(cls, clock: Clock, *, is_worth_waiting: bool) -> Self:
        """This moment."""
        now_ns = clock.monotonic_ns()
        return cls(boot=boot_id(), monotonic_ns=now_ns, utc_us=clock.utc_us(now_ns), is_worth_waiting=is_worth_waiting)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self | None:
        """What `Recording.state` kept; None where there is nothing, as from an older release."""
        kept = state.get("clock")
        return None if kept is None else cls(**kept)

    def to_plain(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "boot": self.boot,
            "monotonic_ns": self.monotonic_ns,
            "utc_us": self.utc_us,
            "is_worth_waiting": self.is_worth_waiting,
        }

    def go_on(self, clock: Clock) -> None:
        """Set a clock so that no time of the process in force comes twice."""
        now_ns = clock.monotonic_ns()
        if self.boot and self.boot == boot_id() and self.monotonic_ns <= now_ns:
            clock.resume(monotonic_ns=self.monotonic_ns, utc_us=self.utc_us)
            return
        clock.anchor()
        if clock.now_us() <= self.utc_us:
            clock.resume(monotonic_ns=now_ns, utc_us=self.utc_us + 1)


def process_kind(state: Mapping[str, Any]) -> ProcessKind | None:
    """Of the process that goes on after a restart; None where none was in force."""
    current = (state.get("tracker") or {}).get("current")
    return None if current is None else ProcessKind(current["kind"])


def start_clock(clock: Clock, state: Mapping[str, Any]) -> None:
    """Take the wall clock as it is, unless a process goes on, which keeps its own time up to its end."""
    kept = KeptClock.from_state(state)
    if kept is None or process_kind(state) is None:
        clock.anchor()
    else:
        kept.go_on(clock)
