"""Counters that go on, wrap around or begin anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.counter import Gain, gain, modulus_of
from hal.parameter import DataType
from tests.hal.parameters import holding

WORD = 65_536.0


@pytest.mark.parametrize(
    ("before", "now", "modulus", "expected"),
    [
        (5, 5, WORD, Gain(increment=0)),
        (5, 9, WORD, Gain(increment=4)),
        (65_530, 4, WORD, Gain(increment=10, has_wrapped=True)),
        (4_294_967_290, 10, 2.0**32, Gain(increment=16, has_wrapped=True)),
        (30_000, 4, WORD, Gain(increment=4, has_restarted=True)),
        (65_530, 20_000, WORD, Gain(increment=20_000, has_restarted=True)),
        (7, 0, None, Gain(increment=0, has_restarted=True)),
        (65_530, 4, None, Gain(increment=4, has_restarted=True)),
    ],
)
def test_a_counter_that_falls_has_wrapped_or_begun_anew(
    before: float, now: float, modulus: float | None, expected: Gain
) -> None:
    """From the highest quarter into the lowest it wrapped; any other fall is a restart."""
    assert gain(before, now, modulus=modulus) == expected


@given(st.integers(0, 65_535), st.lists(st.integers(0, 16_000), max_size=50))
def test_what_a_counter_that_only_wraps_gained_adds_up(start: int, steps: list[int]) -> None:
    """However often it passes its end."""
    before, total = float(start), 0.0
    for step in steps:
        now = (before + step) % WORD
        found = gain(before, now, modulus=WORD)
        assert not found.has_restarted
        total += found.increment
        before = now
    assert total == sum(steps)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_an_increment_is_never_negative(before: float, now: float) -> None:
    """Whatever is read."""
    assert gain(before, now, modulus=WORD).increment >= 0


def test_the_end_of_a_counter_follows_from_its_type() -> None:
    """In engineering units; a signed or a real number says nothing of it."""
    assert modulus_of(holding(1, 0, DataType.UINT16)) == 65_536
    assert modulus_of(holding(1, 0, DataType.UINT32, scale=0.001)) == pytest.approx(4_294_967.296)
    assert modulus_of(holding(1, 0, DataType.INT16)) is None
    assert modulus_of(holding(1, 0, DataType.FLOAT32)) is None
    assert modulus_of(holding(1, 0, DataType.UINT16, offset=1.0)) is None
