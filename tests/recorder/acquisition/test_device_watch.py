"""A device that answers but stands still, and one that has restarted."""

from typing import Any

import numpy as np
import pytest

from hal.parameter import DataType
from hal.plan import plan_reads
from hal.quality import Quality
from hal.scan import Scan
from recorder.acquisition.device_watch import DeviceWatch, WatchSettings
from tests.hal.parameters import holding

S = 1_000_000_000
HEARTBEAT, CLOCK, PRESSURE, COUNTER = 1, 2, 3, 4
PLAN = plan_reads(
    [
        holding(HEARTBEAT, 0),
        holding(CLOCK, 1, DataType.UINT32, name="PLC/clock"),
        holding(PRESSURE, 3, DataType.FLOAT32),
        holding(COUNTER, 5),
    ]
)
OTHER = plan_reads([holding(9, 50)])


class Watched:
    """A watch, what it told, and the time of the next scan."""

    def __init__(self, **settings: Any) -> None:
        self.told: list[str] = []
        self.details: list[dict[str, object]] = []
        self.watch = DeviceWatch(WatchSettings(**settings), tell=self._tell)

    def _tell(self, kind: str, detail: dict[str, object]) -> None:
        self.told.append(kind)
        self.details.append(detail)

    def scan(
        self, second: float, heartbeat: float, clock: float, *, counter: float = 0, bad: bool = False
    ) -> list[int]:
        """Look at a scan; returns the qualities that are stored."""
        quality = [Quality.NOT_CONNECTED if bad else Quality.GOOD] * 4
        quality[2] = Quality.OUT_OF_RANGE if not bad else Quality.NOT_CONNECTED
        values = np.array([heartbeat, clock, 1.0, counter])
        return [int(q) for q in self.watch.look(PLAN, make_scan(PLAN.parameter_ids, values, quality, second)).quality]


def make_scan(ids: np.ndarray[Any, Any], values: np.ndarray[Any, Any], quality: list[Quality], second: float) -> Scan:
    """A scan at a second."""
    at_ns = round(second * S)
    return Scan(
        device="plc",
        parameter_ids=ids,
        monotonic_ns=np.full(len(ids), at_ns, np.int64),
        values=values,
        set_values=np.full(len(ids), np.nan),
        quality=np.array(quality, np.int16),
        requests=1,
        failed_blocks=0,
        cause=None,
        error=None,
        started_ns=at_ns,
        ended_ns=at_ns,
    )


GOOD = [Quality.GOOD, Quality.GOOD, Quality.OUT_OF_RANGE, Quality.GOOD]
FROZEN = [Quality.FROZEN] * 4


def test_a_heartbeat_that_moves_changes_nothing() -> None:
    """Qualities are those of the scan."""
    watched = Watched(heartbeat=HEARTBEAT, frozen_after_s=2.0)
    assert all(watched.scan(second, second % 2, 0) == GOOD for second in range(20))
    assert watched.told == []


def test_a_heartbeat_that_stands_still_freezes_every_value_until_it_moves() -> None:
    """After the time that is configured, and not before; told once each way."""
    watched = Watched(heartbeat=HEARTBEAT, frozen_after_s=2.0)
    seen = [watched.scan(0.5 * k, 7, 0) for k in range(9)]
    assert seen[:4] == [GOOD] * 4
    assert seen[4:] == [FROZEN] * 5
    assert watched.watch.is_frozen
    assert watched.scan(4.5, 8, 0) == GOOD
    assert watched.told == ["device_frozen", "device_moves_again"]


def test_a_clock_that_stands_still_freezes_too() -> None:
    """Even where the heartbeat moves."""
    watched = Watched(heartbeat=HEARTBEAT, clock=CLOCK, frozen_after_s=2.0)
    assert [watched.scan(second, second, 1000)[0] for second in range(4)] == [192, 192, 68, 68]


def test_other_plans_of_a_frozen_device_are_frozen() -> None:
    """Its slow parameters are as old as its fast ones."""
    watched = Watched(heartbeat=HEARTBEAT, frozen_after_s=1.0)
    watched.scan(0, 7, 0)
    watched.scan(1, 7, 0)
    other = make_scan(OTHER.parameter_ids, np.array([3.0]), [Quality.GOOD], 1.5)
    assert watched.watch.look(OTHER, other).quality.tolist() == [Quality.FROZEN]


def test_a_device_that_was_away_is_not_taken_for_frozen() -> None:
    """The time in which nobody could read does not count; its bad values stay bad."""
    watched = Watched(heartbeat=HEARTBEAT, frozen_after_s=2.0)
    watched.scan(0, 7, 0)
    assert watched.scan(10, 7, 0, bad=True) == [Quality.NOT_CONNECTED] * 4
    assert watched.scan(20, 7, 0) == GOOD
    assert watched.scan(22, 7, 0) == FROZEN


def test_a_frozen_device_that_was_away_stays_frozen_until_it_moves() -> None:
    """A reconnection alone proves nothing."""
    watched = Watched(heartbeat=HEARTBEAT, frozen_after_s=2.0)
    watched.scan(0, 7, 0)
    watched.scan(2, 7, 0)
    watched.scan(3, 7, 0, bad=True)
    assert watched.scan(4, 7, 0) == FROZEN
    assert watched.scan(5, 8, 0) == GOOD


def test_a_heartbeat_that_is_read_seldom_is_not_frozen_between_its_readings() -> None:
    """Standing still is judged from reading to reading."""
    watched = Watched(heartbeat=HEARTBEAT, frozen_after_s=0.5)
    assert [watched.scan(second, second, 0) for second in range(5)] == [GOOD] * 5


@pytest.mark.parametrize(
    ("clocks", "restarts"),
    [
        ([100, 200, 300], []),
        ([100_000, 200_000, 50, 150], [False, False, True, False]),
        ([4_294_967_000, 4_294_967_200, 104], [False, False, False]),
    ],
)
def test_a_clock_that_goes_back_is_a_restart_and_one_that_wraps_is_none(
    clocks: list[int], restarts: list[bool]
) -> None:
    """A millisecond clock of 32 bits wraps after 49.7 days."""
    watched = Watched(clock=CLOCK)
    found = []
    for second, clock in enumerate(clocks):
        watched.scan(second, 0, clock)
        found.append(watched.watch.has_restarted)
    assert found == (restarts or [False] * len(clocks))
    assert watched.told == (["plc_restarted"] if True in restarts else [])
    if True in restarts:
        assert watched.details == [{"parameter": "PLC/clock", "before": 200_000.0, "after": 50.0}]


def test_a_restart_while_nobody_could_read_is_found_afterwards() -> None:
    """The clock says so still."""
    watched = Watched(clock=CLOCK)
    watched.scan(0, 0, 100_000)
    watched.scan(1, 0, 0, bad=True)
    watched.scan(2, 0, 900)
    assert watched.watch.has_restarted


def test_without_a_clock_a_run_counter_that_goes_back_is_a_restart() -> None:
    """With one, the clock alone is asked."""
    watched, clocked = Watched(restart_counter=COUNTER), Watched(restart_counter=COUNTER, clock=CLOCK)
    for second, counter in enumerate([41, 42, 0]):
        watched.scan(second, 0, second, counter=counter)
        clocked.scan(second, 0, second, counter=counter)
    assert watched.told == ["plc_restarted"]
    assert clocked.told == []


def test_without_roles_a_scan_is_left_as_it_is() -> None:
    """Whoever configures nothing pays nothing."""
    watched = Watched()
    scan = make_scan(OTHER.parameter_ids, np.array([3.0]), [Quality.GOOD], 0)
    assert watched.watch.look(OTHER, scan) is scan
