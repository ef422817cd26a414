"""Process ids: minted without the database, and never twice."""

from hypothesis import given
from hypothesis import strategies as st

from recorder.runs.process_id import EPOCH_MS, ProcessIdMint

T_US = (EPOCH_MS + 5_000_000) * 1000


def test_an_id_is_made_of_time_recorder_and_sequence() -> None:
    """41 bits of milliseconds since 2025, 10 bits of recorder, 12 bits of sequence."""
    mint = ProcessIdMint(recorder=7)
    assert [mint.mint(T_US), mint.mint(T_US + 999), mint.mint(T_US + 1000)] == [
        (5_000_000 << 10 | 7) << 12,
        (5_000_000 << 10 | 7) << 12 | 1,
        (5_000_001 << 10 | 7) << 12,
    ]


def test_a_full_millisecond_borrows_the_next() -> None:
    """4,096 ids a millisecond, then the sequence would run over."""
    mint = ProcessIdMint(recorder=1023)
    ids = [mint.mint(T_US) for _ in range(5000)]
    assert len(set(ids)) == 5000
    assert ids == sorted(ids)
    assert {number >> 12 & 1023 for number in ids} == {1023}


def test_a_clock_before_2025_still_makes_ids() -> None:
    """A controller without a battery starts in 1970."""
    mint = ProcessIdMint(recorder=0)
    ids = [mint.mint(0) for _ in range(3)]
    assert ids == sorted(set(ids))
    assert ids[0] >= 0


@given(
    st.lists(st.tuples(st.integers(0, 3_900_000_000_000_000), st.integers(0, 1023)), max_size=50),
    st.booleans(),
)
def test_ids_are_unique_and_increase_whatever_the_clock_does(steps: list[tuple[int, int]], restarts: bool) -> None:
    """Also over restarts with the last id kept, and with another recorder number; they fit 63 bits until 2094."""
    last = 0
    mint = ProcessIdMint(recorder=0)
    for now_us, recorder in steps:
        if restarts:
            mint = ProcessIdMint(recorder=recorder, last=last)
        made = mint.mint(now_us)
        assert last < made < 1 << 63
        if restarts:
            assert made >> 12 & 1023 == recorder
        last = made
