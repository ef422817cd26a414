"""Latency histograms against the exact percentiles of the same values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.status.latency import STAGES, Histogram, LatencyRecorder

QUARTER_HOUR_US = 900_000_000
PERCENTS = (0.0, 50.0, 95.0, 99.0, 100.0)


@given(st.lists(st.integers(0, QUARTER_HOUR_US), min_size=1, max_size=300))
def test_a_percentile_is_right_to_three_digits(values: list[int]) -> None:
    """It is never below the exact one, and at most 0.1 % above it."""
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = np.percentile(values, PERCENTS, method="inverted_cdf")
    for found, expected in zip(histogram.percentiles_us(PERCENTS), exact, strict=True):
        assert expected <= found <= expected * 1.001
    assert histogram.count == len(values)
    assert histogram.highest_us == max(values)


@pytest.mark.parametrize("value", [0, 1, 1023, 1024, 2047, 2048, 2049, 4095, 4096, 123_456, QUARTER_HOUR_US])
def test_a_single_value_is_every_percentile(value: int) -> None:
    """Nothing is above the largest."""
    histogram = Histogram()
    histogram.add(value)
    assert histogram.percentiles_us(PERCENTS) == [value] * len(PERCENTS)


def test_what_cannot_be_is_counted_at_the_ends() -> None:
    """A clock that misbehaves costs no entry."""
    histogram = Histogram()
    histogram.add(-5)
    histogram.add(10**12)
    assert histogram.count == 2
    assert histogram.percentiles_us((50, 100)) == [0, QUARTER_HOUR_US]


def test_a_summary_names_every_stage_in_milliseconds() -> None:
    """A stage without values says 0."""
    latency = LatencyRecorder()
    for milliseconds in range(1, 101):
        latency.record("read", milliseconds * 1_000_000)
    summary = latency.summary_ms()
    assert set(summary) == set(STAGES)
    assert summary["read"] == pytest.approx({"count": 100, "p50": 50, "p95": 95, "p99": 99, "max": 100}, rel=1e-3)
    assert summary["commit"] == {"count": 0, "p50": 0, "p95": 0, "p99": 0, "max": 0}
