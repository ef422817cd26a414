"""UTC led slowly after the wall clock, and never thrown."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recorder.clock.clock import MAX_SLEW, STEP_US, Clock, ClockStep, is_synchronised
from tests.recorder.fake_time import NOON_US, FakeTime


def test_a_clock_begins_at_the_wall_clock_and_runs_with_the_monotonic_one() -> None:
    """A wall clock that is moved changes nothing by itself."""
    time = FakeTime()
    clock = time.clock()
    time.pass_s(1.5)
    time.wall_us += 7_000_000
    assert clock.now_us() == NOON_US + 1_500_000
    assert clock.offset_us == 7_000_000


def test_arrays_are_turned_like_single_times() -> None:
    """To the microsecond, before the anchor too."""
    time = FakeTime()
    clock = time.clock()
    times_ns = time.monotonic_ns + np.array([-1_000_000, 0, 1_999, 2_000], np.int64)
    assert clock.utc_us(times_ns).tolist() == [clock.utc_us(int(t)) for t in times_ns]
    assert clock.utc_us(times_ns).tolist() == [NOON_US - 1000, NOON_US, NOON_US + 1, NOON_US + 2]


def test_drift_is_followed_by_at_most_500_ppm() -> None:
    """0.1 s is taken over in 200 s, not at once."""
    time = FakeTime()
    clock = time.clock()
    time.wall_us += 100_000
    offsets = []
    for _ in range(210):
        time.pass_s(1.0)
        offsets.append(clock.offset_us)
        assert clock.follow() is None
    assert offsets[:2] == [100_000, 100_000 - 500]
    assert offsets[100] == 50_000
    assert offsets[200:] == [0] * 10


def test_a_clock_that_runs_wrong_is_kept_within_a_millisecond() -> None:
    """A monotonic clock that is 100 ppm slow never drifts away."""
    time = FakeTime()
    clock = time.clock()
    for _ in range(5000):
        time.pass_s(1.0)
        time.wall_us += 100
        assert clock.follow() is None
        assert abs(clock.offset_us) <= 100


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(-400_000, 400_000)), min_size=1, max_size=50))
def test_time_never_runs_faster_or_slower_than_500_ppm(story: list[tuple[int, int]]) -> None:
    """Whatever drift the wall clock shows, between two looks at it UTC moves with the monotonic clock."""
    time = FakeTime()
    clock = time.clock()
    for pause_ms, drift_us in story:
        before_us = clock.now_us()
        time.pass_s(pause_ms / 1000)
        time.wall_us = clock.now_us() + drift_us
        clock.follow()
        moved_us = clock.now_us() - before_us
        assert abs(moved_us - pause_ms * 1000) <= pause_ms * 1000 * MAX_SLEW + 1
        assert moved_us > 0


@given(
    st.lists(
        st.tuples(st.integers(1, 5000), st.integers(-300_000, 300_000), st.integers(-(10**11), 10**11) | st.just(0)),
        min_size=1,
        max_size=30,
    ),
    st.data(),
)
def test_any_story_of_drift_and_steps_leaves_one_continuous_time(
    story: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """Late looks, drift up to 30 %, steps of a day: order is kept, 500 ppm at any distance, and the past stays.

    Where the wall clock does not step, and drifts by less than is followed, UTC is never more than 0.5 ms behind it for
    each second between two looks; where it does, the offset that a look reports is the whole difference.
    """
    time = FakeTime()
    clock = time.clock()
    began_ns = time.monotonic_ns
    for pause_ms, drift_ppm, step_us in story:
        time.monotonic_ns += pause_ms * 1_000_000
        time.wall_us += pause_ms * 1000 + pause_ms * drift_ppm // 1000 + step_us
        moments_ns = [time.monotonic_ns - age for age in (0, 1000, 5_000_000, 900_000_000)]
        before = [clock.utc_us(at) for at in moments_ns]
        step = clock.follow()
        assert [clock.utc_us(at) for at in moments_ns] == before, "what was said of the past stays"
        if step is not None:
            assert step.wall_us == time.wall_us
            assert abs(step.offset_us) > STEP_US
        assert clock.offset_us == time.wall_us - clock.now_us()
    ages = st.lists(st.integers(0, time.monotonic_ns - began_ns), min_size=2, max_size=50, unique=True)
    moments = np.array(sorted(time.monotonic_ns - age for age in data.draw(ages)), np.int64)
    times_us = clock.utc_us(moments)
    assert times_us.tolist() == [clock.utc_us(at) for at in moments.tolist()]
    passed_us = np.diff(moments) / 1000
    told_us = np.diff(times_us)
    assert (np.abs(told_us - passed_us) <= passed_us * MAX_SLEW + 2).all()
    assert (told_us[passed_us >= 2] > 0).all(), "samples lie milliseconds apart"


@given(st.lists(st.tuples(st.integers(200, 1000), st.integers(-490, 490)), min_size=1, max_size=100))
def test_drift_within_what_is_followed_is_never_off_by_a_millisecond(story: list[tuple[int, int]]) -> None:
    """A wall clock that goes wrong by up to 490 ppm, looked at at least once a second."""
    time = FakeTime()
    clock = time.clock()
    for pause_ms, drift_ppm in story:
        time.monotonic_ns += pause_ms * 1_000_000
        time.wall_us += pause_ms * 1000 + pause_ms * drift_ppm // 1000
        assert abs(clock.offset_us) < 1000
        assert clock.follow() is None


def test_a_look_that_comes_late_does_not_overshoot() -> None:
    """The 0.3 ms that a look found are made up within a second, whenever the next look is."""
    time = FakeTime()
    clock = time.clock()
    time.wall_us += 300
    clock.follow()
    time.pass_s(60.0)
    assert clock.offset_us == 0


def test_a_clock_goes_on_with_the_time_of_an_earlier_one() -> None:
    """Rather than with the wall clock, which is then seen to have been moved."""
    time = FakeTime()
    earlier = time.clock()
    kept_ns, kept_us = time.monotonic_ns, earlier.now_us()
    time.pass_s(10.0)
    time.wall_us -= 86_400_000_000
    clock = time.clock()
    clock.resume(monotonic_ns=kept_ns, utc_us=kept_us)
    assert clock.now_us() == earlier.now_us() == NOON_US + 10_000_000
    step = clock.follow()
    assert step is not None
    assert step.offset_us == -86_400_000_000


def test_a_step_is_reported_once_and_not_followed() -> None:
    """The wall clock jumps 90 s ahead: reported; it stays there: silent; it jumps again: reported."""
    time = FakeTime()
    clock = time.clock()
    time.pass_s(1.0)
    time.wall_us += 90_000_000
    assert clock.follow() == ClockStep(offset_us=90_000_000, utc_us=NOON_US + 1_000_000)
    for _ in range(5):
        time.pass_s(1.0)
        assert clock.follow() is None
    assert clock.offset_us == 90_000_000
    time.wall_us -= 180_000_000
    time.pass_s(1.0)
    step = clock.follow()
    assert step == ClockStep(offset_us=-90_000_000, utc_us=NOON_US + 7_000_000)
    assert step.wall_us == time.wall_us


def test_a_step_that_is_taken_back_is_forgotten() -> None:
    """Drift is followed again, from then on and not for the time of the step; the same step later is new."""
    time = FakeTime()
    clock = time.clock()
    time.wall_us += 90_000_000
    clock.follow()
    time.pass_s(3600.0)
    clock.follow()
    time.wall_us -= 90_000_000 - 1000
    time.pass_s(1.0)
    assert clock.follow() is None
    assert clock.offset_us == 1000
    time.pass_s(1.0)
    assert clock.offset_us == 500
    time.wall_us += 90_000_000
    assert clock.follow() == ClockStep(offset_us=90_000_500, utc_us=NOON_US + 3_602_000_500)


def test_an_offset_just_below_a_step_is_drift() -> None:
    """Half a second is followed, in 1,000 s."""
    time = FakeTime()
    clock = time.clock()
    time.wall_us += STEP_US
    time.pass_s(1.0)
    assert clock.follow() is None
    time.pass_s(1.0)
    assert clock.offset_us == STEP_US - 500


def test_anchoring_takes_the_wall_clock_as_it_is() -> None:
    """What the next process boundary does after a step."""
    time = FakeTime()
    clock = time.clock()
    time.wall_us += 90_000_000
    clock.follow()
    clock.anchor()
    assert clock.offset_us == 0
    assert clock.now_us() == NOON_US + 90_000_000
    time.pass_s(1.0)
    assert clock.follow() is None


def test_the_machines_own_clock_is_the_default() -> None:
    """And the kernel can be asked whether it is kept."""
    assert abs(Clock().offset_us) < 1_000_000
    assert is_synchronised() in {True, False}
