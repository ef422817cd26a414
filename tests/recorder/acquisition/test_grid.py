"""Slots: due on a grid that never shifts, each used or counted once."""

from hypothesis import given
from hypothesis import strategies as st

from recorder.acquisition.grid import Grid
from tests.recorder.fake_time import NOON_US, FakeTime

NOON_SLOT = NOON_US // 100_000


async def test_slots_come_at_whole_multiples_of_the_interval() -> None:
    """Counted from 1970, so that 10 Hz means .0, .1, .2 s of UTC; the first is the next that is due."""
    time = FakeTime(wall_us=NOON_US + 30_001)
    grid = Grid(interval_ms=100, clock=time.clock(), sleep=time.sleep)
    slots = [await grid.next() for _ in range(3)]
    assert [slot.number for slot in slots] == [NOON_SLOT + 1, NOON_SLOT + 2, NOON_SLOT + 3]
    assert [slot.skipped for slot in slots] == [0, 0, 0]
    assert slots[0].due_ns == 5_000_000_000 + 69_999_000
    assert slots[1].due_ns - slots[0].due_ns == 100_000_000
    assert time.wall_us == NOON_US + 300_000


async def test_a_start_on_a_slot_takes_it() -> None:
    """No interval is lost where the time is just right."""
    time = FakeTime()
    slot = await Grid(interval_ms=100, clock=time.clock(), sleep=time.sleep).next()
    assert (slot.number, slot.due_ns, time.monotonic_ns) == (NOON_SLOT, 5_000_000_000, 5_000_000_000)


async def test_the_grid_never_shifts_whatever_a_scan_takes() -> None:
    """A scan of 30 ms, of 99 ms, of none: the next slot is due at its own time."""
    time = FakeTime()
    grid = Grid(interval_ms=100, clock=time.clock(), sleep=time.sleep)
    for number, work_s in enumerate([0.03, 0.099, 0.0, 0.05]):
        slot = await grid.next()
        assert slot.number == NOON_SLOT + number
        assert time.monotonic_ns == slot.due_ns == 5_000_000_000 + number * 100_000_000
        time.pass_s(work_s)


async def test_slots_that_cannot_start_are_counted() -> None:
    """A scan of 350 ms costs three slots but the latest of them, which begins late on its own grid."""
    time = FakeTime()
    grid = Grid(interval_ms=100, clock=time.clock(), sleep=time.sleep)
    first = await grid.next()
    time.pass_s(0.35)
    late = await grid.next()
    assert (late.number, late.skipped) == (first.number + 3, 2)
    assert time.monotonic_ns - late.due_ns == 50_000_000
    after = await grid.next()
    assert (after.number, after.skipped) == (late.number + 1, 0)


async def test_a_grid_that_is_asked_late_counts_from_its_start() -> None:
    """Made at the start of the daemon and first asked a second later: those slots were scheduled."""
    time = FakeTime()
    grid = Grid(interval_ms=100, clock=time.clock(), sleep=time.sleep)
    time.pass_s(1.0)
    slot = await grid.next()
    assert (slot.number, slot.skipped) == (NOON_SLOT + 10, 10)


async def test_a_number_is_never_used_again_after_a_restart() -> None:
    """Also where the wall clock went back an hour: the number goes on, at the interval."""
    time = FakeTime()
    for after, expected in ((NOON_SLOT - 5, NOON_SLOT), (NOON_SLOT, NOON_SLOT + 1), (NOON_SLOT + 36_000,) * 2):
        grid = Grid(interval_ms=100, clock=time.clock(), after=after, sleep=time.sleep)
        slot = await grid.next()
        assert slot.number == max(expected, after + 1)
        assert slot.skipped == 0
        assert (await grid.next()).due_ns - slot.due_ns == 100_000_000
        time = FakeTime()


async def test_a_sleep_that_ends_early_is_gone_on_with() -> None:
    """No slot begins before it is due."""
    time = FakeTime(wall_us=NOON_US + 1)

    async def short(seconds: float) -> None:
        await time.sleep(seconds / 2 if seconds > 1e-4 else seconds)

    grid = Grid(interval_ms=100, clock=time.clock(), sleep=short)
    slot = await grid.next()
    assert time.monotonic_ns >= slot.due_ns


@given(
    st.sampled_from([5, 7, 100, 1000, 60_000, 90_000]),
    st.integers(0, 10**9),
    st.lists(st.floats(0, 5), max_size=20),
)
async def test_every_slot_is_used_or_counted_once(interval_ms: int, start_us: int, works: list[float]) -> None:
    """Whatever the scans take, numbers are without hole, never twice, and no scan begins early."""
    time = FakeTime(wall_us=NOON_US + start_us)
    grid = Grid(interval_ms=interval_ms, clock=time.clock(), sleep=time.sleep)
    expected = grid.first
    assert expected * interval_ms * 1000 >= time.wall_us
    for work_intervals in works:
        slot = await grid.next()
        assert slot.number - slot.skipped == expected
        assert 0 <= time.monotonic_ns - slot.due_ns < interval_ms * 1_000_000
        expected = slot.number + 1
        time.pass_s(work_intervals * interval_ms / 1000)


async def test_a_process_that_begins_after_a_step_has_numbers_of_the_new_time() -> None:
    """Forward or back: numbers move by what the clock moved, due times not at all, and nothing counts as skipped."""
    for step_us in (90_000_000, -90_000_000, 12_345_678, -12_345_678):
        time = FakeTime()
        clock = time.clock()
        grid = Grid(interval_ms=100, clock=clock, sleep=time.sleep)
        before = await grid.next()
        after = await grid.next()
        time.wall_us += step_us
        clock.anchor()
        renumbered = grid.renumber(after)
        assert renumbered.number == clock.utc_us(after.due_ns) // 100_000
        assert (renumbered.due_ns, renumbered.skipped) == (after.due_ns, 0)
        following = await grid.next()
        assert (following.number, following.skipped) == (renumbered.number + 1, 0)
        assert following.due_ns - after.due_ns == after.due_ns - before.due_ns == 100_000_000


async def test_numbers_that_tell_the_time_are_kept() -> None:
    """Half an interval of drift moves no number back and forth."""
    time = FakeTime()
    clock = time.clock()
    grid = Grid(interval_ms=100, clock=clock, sleep=time.sleep)
    slot = await grid.next()
    for moved_us in (99_999, -99_999 * 2, 99_999):
        time.wall_us += moved_us
        clock.anchor()
        assert grid.renumber(slot) == slot


@given(
    st.sampled_from([5, 100, 1000, 60_000]),
    st.lists(st.tuples(st.floats(0, 4), st.integers(-(10**11), 10**11) | st.none()), max_size=20),
)
async def test_the_grid_is_even_in_real_time_whatever_the_clock_does(
    interval_ms: int, story: list[tuple[float, int | None]]
) -> None:
    """Steps taken over at boundaries: due times stay on one grid, and each slot is used or counted once."""
    time = FakeTime()
    clock = time.clock()
    grid = Grid(interval_ms=interval_ms, clock=clock, sleep=time.sleep)
    expected, due_ns = grid.first, time.monotonic_ns
    for work_intervals, step_us in story:
        slot = await grid.next()
        assert slot.number - slot.skipped == expected
        assert slot.due_ns == due_ns + slot.skipped * interval_ms * 1_000_000
        if step_us is not None:
            time.wall_us += step_us
            clock.anchor()
            slot = grid.renumber(slot)
            assert abs(clock.utc_us(slot.due_ns) - slot.number * interval_ms * 1000) < interval_ms * 1000
        expected, due_ns = slot.number + 1, slot.due_ns + interval_ms * 1_000_000
        time.pass_s(work_intervals * interval_ms / 1000)
