"""Whether a device can be asked as often as it is meant to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.load import ROOM, Verdict, degraded, load_of
from hal.plan import ReadPlan, plan_reads, plans_by_interval
from tests.hal.parameters import holding


def plan(requests: int, interval_ms: int, *, first_id: int = 0) -> ReadPlan:
    """A plan of so many requests."""
    return plan_reads([holding(first_id + n, 200 * n, scan_interval_ms=interval_ms) for n in range(requests)])


@pytest.mark.parametrize(
    ("round_trip_ms", "verdict"), [(10, Verdict.FITS), (15, Verdict.TIGHT), (17, Verdict.IMPOSSIBLE)]
)
def test_six_requests_in_a_tenth_of_a_second(round_trip_ms: float, verdict: Verdict) -> None:
    """The real tool at 10 Hz: a PLC of 10 ms can, one of 17 ms cannot."""
    load = load_of("plc", {100: plan(6, 100)}, round_trip_ms=round_trip_ms)
    assert load.verdict is verdict
    assert load.share == pytest.approx(6 * round_trip_ms / 100)


def test_plans_that_fit_alone_may_not_fit_together() -> None:
    """They share the connection."""
    plans = {20: plan(1, 20), 100: plan(5, 100, first_id=50)}
    load = load_of("plc", plans, round_trip_ms=12)
    assert [part.share for part in load.plans] == pytest.approx([0.6, 0.6])
    assert load.verdict is Verdict.IMPOSSIBLE
    assert load.explain() == (
        "plc: impossible: 1 requests of 12.0 ms take 12 of 20 ms; 5 requests of 12.0 ms take 60 of 100 ms; "
        "120% of the connection's time"
    )


def test_several_connections_share_the_requests() -> None:
    """Six requests over three of them take the time of two."""
    load = load_of("plc", {100: plan(6, 100)}, round_trip_ms=40, parallel=3)
    assert load.plans[0].scan_ms == 80
    assert load.verdict is Verdict.FITS


def test_one_request_that_takes_longer_than_its_interval_is_impossible_over_any_number_of_connections() -> None:
    """A second connection answers no sooner."""
    assert load_of("plc", {5: plan(1, 5)}, round_trip_ms=8, parallel=8).verdict is Verdict.IMPOSSIBLE


def test_a_degraded_plan_keeps_slow_parameters_as_they_are() -> None:
    """What asks for most gives way, by whole multiples of its interval."""
    plans = {10: plan(4, 10), 1000: plan(2, 1000, first_id=50)}
    slower = degraded(plans, round_trip_ms=5)
    assert list(slower) == [30, 1000]
    assert slower[1000].parameter_ids.tolist() == plans[1000].parameter_ids.tolist()
    assert {p.scan_interval_ms for p in slower[30].parameters} == {30}


def test_plans_that_come_to_one_interval_become_one() -> None:
    """And may then share requests."""
    plans = plans_by_interval([holding(1, 0, scan_interval_ms=10), holding(2, 1, scan_interval_ms=20)])
    slower = degraded(plans, round_trip_ms=12)
    assert list(slower) == [20]
    assert len(slower[20].blocks) == 1


def test_what_fits_is_left_as_it_is() -> None:
    """Whoever has time loses nothing."""
    plans = {100: plan(6, 100)}
    assert degraded(plans, round_trip_ms=5) == plans
    assert degraded({}, round_trip_ms=5) == {}


@given(
    st.dictionaries(st.sampled_from([5, 10, 20, 100, 1000, 60_000]), st.integers(1, 12), min_size=1),
    st.floats(0.1, 500),
    st.integers(1, 4),
)
def test_a_degraded_plan_fits_and_reads_every_parameter(
    sizes: dict[int, int], round_trip_ms: float, parallel: int
) -> None:
    """Whatever was asked for; each interval is a whole multiple of the one it had."""
    plans = {i: plan(size, i, first_id=100 * n) for n, (i, size) in enumerate(sizes.items())}
    slower = degraded(plans, round_trip_ms=round_trip_ms, parallel=parallel)
    load = load_of("plc", slower, round_trip_ms=round_trip_ms, parallel=parallel)
    assert load.verdict is Verdict.FITS
    assert load.share <= ROOM
    before = {p.parameter_id: p.scan_interval_ms for given_plan in plans.values() for p in given_plan.parameters}
    after = {p.parameter_id: p.scan_interval_ms for new_plan in slower.values() for p in new_plan.parameters}
    assert before.keys() == after.keys()
    assert all(after[i] % before[i] == 0 for i in before)
