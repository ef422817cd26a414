"""Noise is a function of seed, stream and index, and it is normal."""

import statistics

import pytest

from simulator.noise import normals


def test_the_same_arguments_give_the_same_numbers_in_any_order() -> None:
    """Drawing backwards gives what drawing forwards gave."""
    forwards = [normals(seed=1, stream=0, index=index, width=3) for index in range(1000)]
    backwards = [normals(seed=1, stream=0, index=index, width=3) for index in reversed(range(1000))]
    assert forwards == backwards[::-1]


def test_seeds_and_streams_differ() -> None:
    """Another seed or another stream gives other numbers."""
    one = normals(seed=1, stream=0, index=7, width=3)
    assert one != normals(seed=2, stream=0, index=7, width=3)
    assert one != normals(seed=1, stream=1, index=7, width=3)


def test_the_numbers_are_standard_normal() -> None:
    """Mean 0 and standard deviation 1, also across the blocks in which they are drawn."""
    numbers = [number for index in range(4000) for number in normals(seed=4, stream=2, index=index, width=2)]
    assert statistics.fmean(numbers) == pytest.approx(0.0, abs=0.05)
    assert statistics.pstdev(numbers) == pytest.approx(1.0, rel=0.03)
