"""Whether the time that every sample carries is right."""

from typing import Final

from recorder.check.spread import milliseconds
from recorder.check.verdict import Report, Verdict
from recorder.clock.clock import read_kernel_clock

SECTION: Final = "Clock"
_WIDE_MS: Final = 1000.0


def check_clock(report: Report) -> None:
    """Ask the kernel what NTP has told it."""
    clock = read_kernel_clock()
    if clock is None:
        report.add(SECTION, Verdict.NOT_ASKED, "this system does not say whether its clock is kept by NTP")
        return
    figures = {
        "synchronised": clock.is_synchronised,
        "offset_ms": clock.offset_us / 1000,
        "estimated_error_ms": clock.estimated_error_us / 1000,
        "largest_error_ms": clock.largest_error_us / 1000,
    }
    if not clock.is_synchronised:
        message = "not kept by NTP, so runs are marked unsynchronised: start chrony or systemd-timesyncd"
        report.add(SECTION, Verdict.WARNING, message, **figures)
        return
    largest_ms = clock.largest_error_us / 1000
    message = (
        f"kept by NTP: {milliseconds(abs(clock.offset_us) / 1000)} to correct, wrong by at most "
        f"{milliseconds(largest_ms)}"
    )
    if largest_ms > _WIDE_MS:
        report.add(SECTION, Verdict.WARNING, f"{message}: is its NTP server reachable?", **figures)
    else:
        report.add(SECTION, Verdict.OK, message, **figures)
