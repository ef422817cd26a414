"""What counts as alive: slots begin and reach the disk; nothing else."""

import sqlite3
from pathlib import Path

import pytest

from recorder.errors import SpoolError
from recorder.service.vitals import Vitals
from recorder.spool.spool import Spool
from tests.recorder.entries import points

PATIENCE_S = 5.0


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def __call__(self) -> int:
        return self.now_ns

    def go_on(self, seconds: float) -> None:
        """Move it."""
        self.now_ns += round(seconds * 1e9)


def spool_error(cause: BaseException) -> SpoolError:
    """An append that failed for a reason."""
    error = SpoolError("spool.sqlite3: refused")
    error.__cause__ = cause
    return error


def sqlite_error(code: int) -> sqlite3.OperationalError:
    """What SQLite raises."""
    error = sqlite3.OperationalError("refused")
    error.sqlite_errorcode = code
    return error


@pytest.fixture
def clock() -> Clock:
    """Of the vitals."""
    return Clock()


@pytest.fixture
def vitals(clock: Clock) -> Vitals:
    """With a plan of 1 s, whose first slot began and was appended."""
    vitals = Vitals(clock)
    vitals.expect("plc/1000", 1000)
    vitals.slot_began("plc/1000")
    vitals.appended()
    return vitals


def test_a_recorder_that_records_has_no_trouble(vitals: Vitals, clock: Clock) -> None:
    """However long it goes on."""
    for _ in range(100):
        clock.go_on(1)
        vitals.slot_began("plc/1000")
        vitals.appended()
        assert vitals.trouble(patience_s=PATIENCE_S) is None


def test_one_plan_of_several_that_stands_still_is_trouble(vitals: Vitals, clock: Clock) -> None:
    """The others do not hide it, and it is named; its own interval counts."""
    vitals.expect("gauge/10000", 10_000)
    for _ in range(25):
        clock.go_on(1)
        vitals.slot_began("plc/1000")
        vitals.appended()
        assert vitals.trouble(patience_s=PATIENCE_S) is None
    clock.go_on(1)
    vitals.slot_began("plc/1000")
    assert vitals.trouble(patience_s=PATIENCE_S) == "no slot of gauge/10000 for 26.0 s"
    vitals.forget("gauge/10000")
    assert vitals.trouble(patience_s=PATIENCE_S) is None


def test_slots_that_never_reach_the_disk_are_trouble(vitals: Vitals, clock: Clock) -> None:
    """Neither where appends do not end, nor where the disk refuses them for anything but room."""
    for _ in range(8):
        clock.go_on(1)
        vitals.slot_began("plc/1000")
        vitals.refused(spool_error(sqlite_error(sqlite3.SQLITE_IOERR)))
    assert vitals.trouble(patience_s=PATIENCE_S) == "nothing could be appended to the spool for 8.0 s"


def test_a_full_disk_is_no_reason_for_a_restart(vitals: Vitals, clock: Clock) -> None:
    """What is lost is counted in memory, and a restart would lose the counts and free no room."""
    for _ in range(100):
        clock.go_on(1)
        vitals.slot_began("plc/1000")
        vitals.refused(spool_error(sqlite_error(sqlite3.SQLITE_FULL)))
    assert vitals.trouble(patience_s=PATIENCE_S) is None


def test_a_recorder_of_nothing_has_no_trouble(clock: Clock) -> None:
    """Where no parameter has an address no slot is due."""
    vitals = Vitals(clock)
    clock.go_on(1000)
    assert vitals.trouble(patience_s=PATIENCE_S) is None
    assert not vitals.recorded.is_set()


async def test_the_spool_says_why_it_refused(tmp_path: Path) -> None:
    """The reason of SQLite goes with the error, so that a full disk can be told from a broken one."""
    async with Spool(tmp_path / "spool.sqlite3", max_bytes=1_000_000) as spool:
        spool._store.close()
        with pytest.raises(SpoolError) as caught:
            await spool.append([points(1)])
        assert isinstance(caught.value.__cause__, sqlite3.Error)
