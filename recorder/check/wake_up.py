"""How late this machine wakes: every slot of the grid begins as much after its time."""

import asyncio
import time
from typing import Final

from recorder.acquisition.wake_up import wake_up_within
from recorder.check.clock import SECTION
from recorder.check.spread import Spread
from recorder.check.verdict import Report, Verdict

_SLEEPS: Final = 200
_SLEEP_S: Final = 0.005
"""Half a slot at 100 Hz: long enough for an idle processor to fall asleep."""
LATE_MS: Final = 0.5


async def check_wake_up(cpu_wake_up_us: int | None, report: Report) -> None:
    """Sleep two hundred times as the grid does and tell how late each sleep ended.

    Args:
        cpu_wake_up_us: of the configuration, in force while it is measured, as it is while the recorder runs.
        report: takes the lines.
    """
    with wake_up_within(cpu_wake_up_us) as refused:
        spread = Spread.of(await asyncio.to_thread(_lateness_ms))
    if refused is not None:
        report.add(SECTION, Verdict.WARNING, refused)
    report_lateness(spread, report, is_kept_awake=cpu_wake_up_us == 0 and refused is None)


def report_lateness(spread: Spread, report: Report, *, is_kept_awake: bool) -> None:
    """Judge how late sleeps of 5 ms ended.

    Args:
        spread: of the lateness.
        report: takes the line.
        is_kept_awake: whether processors were kept from falling asleep meanwhile.
    """
    if spread.p99_ms <= LATE_MS:
        report.add(SECTION, Verdict.OK, f"idle processors wake {spread} after their time", **spread.to_plain())
        return
    advice = (
        "although cpu_wake_up_us = 0: is another program busy, or is this a virtual machine?"
        if is_kept_awake
        else "and each scan starts so much too late: set [recorder] cpu_wake_up_us = 0"
    )
    message = f"idle processors wake late, {spread} after their time, {advice}"
    report.add(SECTION, Verdict.WARNING, message, **spread.to_plain())


def _lateness_ms() -> list[float]:
    late = []
    for _ in range(_SLEEPS):
        begun_ns = time.perf_counter_ns()
        time.sleep(_SLEEP_S)
        late.append((time.perf_counter_ns() - begun_ns) / 1e6 - _SLEEP_S * 1000)
    return late
