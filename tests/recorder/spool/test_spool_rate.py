"""How fast a spool fills and drains."""

import pytest

from recorder.spool.rate import Rate, SpoolRates


def test_a_rate_is_of_the_last_minute() -> None:
    """What came before it does not count; before a minute has passed, as long as it is measured."""
    rate = Rate(0.0)
    for second in range(200):
        rate.add(10, float(second))
        if second == 20:
            assert rate.per_s(20.0) == pytest.approx(10, rel=0.1)
    assert rate.per_s(200.0) == pytest.approx(10, rel=0.05)
    assert rate.per_s(230.0) == pytest.approx(5, rel=0.1)
    assert rate.per_s(300.0) == 0.0


def test_the_time_to_full_is_that_of_an_outage_from_now_on() -> None:
    """Room by what comes; unknown while nothing comes."""
    rates = SpoolRates(0.0)
    assert rates.time_to_full_s(1000, 0.0) is None
    for second in range(60):
        rates.came(10, 1000, float(second))
        rates.left(10, float(second))
    assert rates.time_to_full_s(100_000, 60.0) == pytest.approx(100, rel=0.05)
    assert rates.time_to_full_s(-5, 60.0) == 0.0


def test_the_time_to_drain_is_by_what_leaves_beyond_what_comes() -> None:
    """None where the backlog does not get less, 0 where there is none."""
    rates = SpoolRates(0.0)
    for second in range(60):
        rates.came(10, 1000, float(second))
    assert rates.time_to_drain_s(600, 60.0) is None
    for second in range(60, 120):
        rates.came(10, 1000, float(second))
        rates.left(60, float(second))
    assert rates.time_to_drain_s(500, 120.0) == pytest.approx(10, rel=0.05)
    assert rates.time_to_drain_s(0, 120.0) == 0.0
