"""Counts packed as ranges of slots: few bytes for many minutes, and nothing lost."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from recorder.spool.entry import MOST_PLAIN_COUNTS, Entry, EntryKind, Outcome, SlotCount
from tests.recorder.spool import entry_of_0049b40

INTERVALS = st.sampled_from([5, 7, 100, 1000, 1500, 7000, 60_000, 90_000, 3_600_000])


def shed(number: int, *, interval_ms: int = 100, outcome: Outcome = Outcome.SHED, device: str = "plc") -> SlotCount:
    """One slot that was given up."""
    return SlotCount(
        process_id=9,
        device=device,
        interval_ms=interval_ms,
        minute=number * interval_ms // 60_000 * 60,
        outcome=outcome,
        cause="spool_full",
        slots=1,
        rows=0,
        slots_at=((number, number + 1),),
    )


def minutes(first: int, count: int, *, interval_ms: int = 100) -> list[SlotCount]:
    """All slots of so many minutes, a count a minute."""
    found: dict[int, SlotCount] = {}
    number = -(-first * 60_000 // interval_ms)
    while number * interval_ms < (first + count) * 60_000:
        one = shed(number, interval_ms=interval_ms)
        found[one.minute] = found[one.minute].plus(one) if one.minute in found else one
        number += 1
    return list(found.values())


def through(counts: list[SlotCount]) -> tuple[Entry, int]:
    """An entry as it comes back, and the size of its header."""
    header = Entry(kind=EntryKind.ACCOUNTING, accounting=counts).encode_header()
    return Entry.decode(header, b""), len(header)


def test_the_counts_of_a_day_take_as_much_as_those_of_a_minute() -> None:
    """All slots shed, one after the other: one range."""
    counts = minutes(28_333_000, 1440, interval_ms=1000)
    entry, size = through(counts)
    assert list(entry.accounting) == counts
    assert size < 300


@given(
    st.lists(st.tuples(INTERVALS, st.integers(0, 5000), st.sampled_from(["a", "b"]), st.sampled_from(Outcome))),
    st.integers(0, 10**8),
)
def test_packing_loses_nothing(slots: list[tuple[int, int, str, Outcome]], base: int) -> None:
    """Whatever slots of whatever grids: each key has the same slots, minute by minute."""
    wanted: dict[object, SlotCount] = {}
    for interval_ms, number, device, outcome in sorted(set(slots)):
        one = shed(base + number, interval_ms=interval_ms, outcome=outcome, device=device)
        wanted[one.key] = wanted[one.key].plus(one) if one.key in wanted else one
    padding = [shed(n * 600, device="padding") for n in range(2 * MOST_PLAIN_COUNTS)]
    entry, _ = through([*wanted.values(), *padding])
    found = {count.key: count for count in entry.accounting}
    assert found == wanted | {count.key: count for count in padding}


def test_what_cannot_be_packed_stays_as_it_is() -> None:
    """Rows, slots that are not known, and a count over more than its minute."""
    many = minutes(100, 2 * MOST_PLAIN_COUNTS, interval_ms=1000)
    odd = [
        replace(shed(1), rows=5),
        replace(shed(601, device="old"), slots_at=()),
        replace(shed(1201, device="day"), slots=1000, slots_at=((1201, 2201),)),
    ]
    entry, _ = through([*many, *odd])
    assert set(odd) <= set(entry.accounting)
    assert set(many) <= set(entry.accounting)


def test_release_0_1_which_cannot_unpack_counts_the_slots_by_cause() -> None:
    """Each packed count stands there once more, as one count of the minute in which it begins."""
    many = minutes(100, 2 * MOST_PLAIN_COUNTS)
    odd = replace(shed(1), rows=5)
    header = Entry(kind=EntryKind.ACCOUNTING, accounting=[*many, odd]).encode_header()
    read = [
        (count.minute, count.slots, count.rows, str(count.outcome), count.cause)
        for count in entry_of_0049b40.Entry.decode(header, b"").accounting
    ]
    slots = 2 * MOST_PLAIN_COUNTS * 600
    assert read == [(0, 1, 5, "shed", "spool_full"), (6000, slots, 0, "shed", "spool_full")]
    assert set(Entry.decode(header, b"").accounting) == {*many, odd}


def test_few_counts_stay_plain() -> None:
    """They can be read without arithmetic."""
    content = json.loads(Entry(kind=EntryKind.ACCOUNTING, accounting=[shed(1)]).encode_header())
    assert "packed" not in content
    assert content["accounting"][0][6] == 1
