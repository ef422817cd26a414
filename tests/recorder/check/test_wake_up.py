"""How late the machine wakes, and what is advised where that is too late."""

from recorder.check.spread import Spread
from recorder.check.verdict import Report, Verdict
from recorder.check.wake_up import check_wake_up, report_lateness


async def test_the_lateness_of_two_hundred_sleeps_is_told() -> None:
    """No sleep ends before its time, and the verdict follows the figure."""
    report = Report()
    await check_wake_up(None, report)
    [line] = report.lines
    assert line.data["count"] == 200
    assert 0 < line.data["p50_ms"] <= line.data["p99_ms"]
    assert line.verdict is (Verdict.WARNING if line.data["p99_ms"] > 0.5 else Verdict.OK)
    assert line.section == "Clock"


def test_late_wake_ups_are_a_warning_with_the_setting_that_helps() -> None:
    """Unless it is set already: then something else is at fault."""
    late, early = Spread.of([0.1, 2.0]), Spread.of([0.1, 0.2])
    report = Report()
    report_lateness(early, report, is_kept_awake=False)
    report_lateness(late, report, is_kept_awake=False)
    report_lateness(late, report, is_kept_awake=True)
    well, advised, helpless = report.lines
    assert [well.verdict, advised.verdict, helpless.verdict] == [Verdict.OK, Verdict.WARNING, Verdict.WARNING]
    assert advised.message.endswith("set [recorder] cpu_wake_up_us = 0")
    assert helpless.message.endswith(
        "although cpu_wake_up_us = 0: is another program busy, or is this a virtual machine?"
    )
