"""Entries: what one release writes the next must understand, and what is given up stays counted."""

import json
from dataclasses import asdict, fields, replace

import pytest

from recorder.spool.entry import FORMAT_VERSION, NEWEST_READ, Entry, EntryKind, Outcome, SlotCount
from tests.recorder.entries import count, event, points, run_started
from tests.recorder.spool import entry_of_0049b40


@pytest.mark.parametrize("entry", [points(3), points(3, is_idle=True), event("x", reason="é\u2028"), run_started()])
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    """Kind, header, rows, counts, times."""
    assert Entry.decode(entry.encode_header(), entry.rows) == entry


def test_a_header_explains_itself() -> None:
    """It is JSON and names its version, its columns and its counts."""
    content = json.loads(points(3).encode_header())
    assert content["version"] == FORMAT_VERSION
    assert content["columns"] == ["timestamp", "process_id", "value", "set_value", "parameter_id", "quality"]
    assert content["row_count"] == 2
    assert content["header"]["first_slot"] == content["header"]["last_slot"] == 3


def test_an_entry_of_format_1_is_understood_as_it_was_first_written() -> None:
    """The bytes of the first release, written down: a later change of the code must still read them."""
    header = (
        b'{"version":1,"kind":"points","columns":["timestamp","process_id","value","set_value","parameter_id",'
        b'"quality"],"row_count":2,"first_us":5,"last_us":6,"is_idle":true,'
        b'"accounting":[[9,"plc",100,60,"late","",1,2]],"header":{"first_slot":1}}'
    )
    assert Entry.decode(header, b"rows") == Entry(
        kind=EntryKind.POINTS,
        header={"first_slot": 1},
        rows=b"rows",
        row_count=2,
        accounting=(
            SlotCount(process_id=9, device="plc", interval_ms=100, minute=60, outcome=Outcome.LATE, slots=1, rows=2),
        ),
        first_us=5,
        last_us=6,
        is_idle=True,
    )


def test_an_entry_of_format_2_is_understood_as_it_was_first_written() -> None:
    """A spool of an unreleased state: each count ends with its slots, and packed ones stand nowhere else."""
    header = (
        b'{"version":2,"kind":"accounting","columns":[],"row_count":0,"first_us":0,"last_us":0,"is_idle":false,'
        b'"accounting":[[9,"plc",100,60,"failed","",1,0,[[600,601]]]],"packed":[[9,"plc",60000,"shed","",[1,2]]],'
        b'"header":{}}'
    )
    failed, *shed = Entry.decode(header, b"").accounting
    assert (failed.outcome, failed.slots_at) == (Outcome.FAILED, ((600, 601),))
    assert [(count.minute, count.slots_at) for count in shed] == [(60, ((1, 2),)), (120, ((2, 3),))]


@pytest.mark.parametrize("entry", [points(3), event("x", reason="é"), run_started(), points(3).tombstone("spool_full")])
def test_release_0_1_reads_what_this_one_writes(entry: Entry) -> None:
    """Whoever goes back a release goes back with the spool as it is; only the numbers of the slots are lost on it."""
    read = entry_of_0049b40.Entry.decode(entry.encode_header(), entry.rows)
    for field in fields(entry_of_0049b40.Entry):
        if field.name != "accounting":
            assert getattr(read, field.name) == getattr(entry, field.name)
    assert [tuple(plain(c).values()) for c in read.accounting] == [
        tuple(value for name, value in plain(c).items() if name != "slots_at") for c in entry.accounting
    ]


def plain(one: object) -> dict[str, object]:
    """The fields of a count of either release."""
    return asdict(one)  # type: ignore[call-overload,no-any-return]  # mypy cannot know that it is a dataclass


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": NEWEST_READ + 1}, "newer than this release reads"),
        ({"columns": ["timestamp", "value"]}, "entry with columns"),
        ({"kind": "poem"}, "poem"),
    ],
)
def test_an_entry_of_another_format_is_refused_with_its_reason(change: dict[str, object], says: str) -> None:
    """Rather than being taken for something else."""
    content = json.loads(points().encode_header()) | change
    with pytest.raises(ValueError, match=says):
        Entry.decode(json.dumps(content).encode(), points().rows)


def test_a_tombstone_keeps_the_slots_and_says_why_their_rows_are_gone() -> None:
    """Slots that had no rows keep their own outcome."""
    skipped = count(0, rows=0, outcome=Outcome.SKIPPED)
    entry = points(1)
    both = Entry(kind=entry.kind, rows=entry.rows, row_count=2, accounting=(skipped, count(1)), header={"a": 1})
    tombstone = both.tombstone("spool_full")
    assert (tombstone.kind, tombstone.rows, tombstone.row_count) == (EntryKind.ACCOUNTING, b"", 0)
    assert tombstone.header == {"a": 1, "shed": "spool_full", "lost_rows": 2}
    assert [(c.outcome, c.cause, c.slots, c.rows) for c in tombstone.accounting] == [
        (Outcome.SKIPPED, "", 1, 0),
        (Outcome.SHED, "spool_full", 1, 0),
    ]


def test_text_that_is_no_unicode_is_stored_all_the_same() -> None:
    """An operator's name from a broken terminal must not stop the spool."""
    entry = run_started(operator="A\ud800da")
    assert Entry.decode(entry.encode_header(), b"").header["operator"] == "A?da"


def test_counts_of_one_key_are_summed_with_the_numbers_of_their_slots() -> None:
    """Neighbours become one range; a count of an older release leaves the numbers unknown."""
    first, next_one, later = (replace(count(number), slots_at=((number, number + 1),)) for number in (3, 4, 9))
    both = first.plus(next_one)
    assert (both.slots, both.rows, both.slots_at) == (2, 4, ((3, 5),))
    assert both.plus(later).slots_at == ((3, 5), (9, 10))
    assert replace(first, slots_at=()).plus(later).slots_at == ()
