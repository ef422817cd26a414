"""Counts of many minutes in few bytes: an outage of days leaves one tombstone, and it must not fill the spool.

Slots that ended alike follow one another, so their numbers are a few ranges however long it lasted; the minute of each
slot follows from its number. Counts for which that does not hold stay as they are, so nothing is lost by packing.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

_MINUTE_MS: Final = 60_000


def pack(counts: Iterable[Sequence[Any]]) -> tuple[list[Sequence[Any]], list[list[Any]]]:
    """Pack plain counts, as `Entry.encode_header` writes them.

    Returns:
        Counts that cannot be packed; and packed ones: process, device, interval, outcome, cause, and the slots as
        the first number, how many, how many that are left out, how many, and so on.
    """
    rest: list[Sequence[Any]] = []
    ranges_of: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for count in counts:
        process_id, device, interval_ms, _minute, outcome, cause, *_ = count
        if _is_of_its_minute(count):
            ranges_of.setdefault((process_id, device, interval_ms, outcome, cause), []).extend(count[8])
        else:
            rest.append(count)
    return rest, [[*key, _lengths(joined(ranges))] for key, ranges in ranges_of.items()]


def unpack(packed: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Give back the plain counts, minute by minute."""
    for process_id, device, interval_ms, outcome, cause, lengths in packed:
        ranges_of: dict[int, list[tuple[int, int]]] = {}
        for first, end in _ranges(lengths):
            while first < end:
                minute = first * interval_ms // _MINUTE_MS
                upper = min(end, -(-(minute + 1) * _MINUTE_MS // interval_ms))
                ranges_of.setdefault(minute * 60, []).append((first, upper))
                first = upper  # noqa: PLW2901
        for minute, ranges in ranges_of.items():
            slots = sum(end - first for first, end in ranges)
            yield process_id, device, interval_ms, minute, outcome, cause, slots, 0, ranges


def summed(packed: Sequence[Any]) -> tuple[Any, ...]:
    """A packed count as one plain one, in the minute in which it begins: for releases that cannot unpack it."""
    process_id, device, interval_ms, outcome, cause, lengths = packed
    minute = lengths[0] * interval_ms // _MINUTE_MS * 60
    return process_id, device, interval_ms, minute, outcome, cause, sum(lengths[1::2]), 0


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Half-open ranges in order, neighbours as one."""
    found: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if found and found[-1][1] == first:
            found[-1] = found[-1][0], end
        else:
            found.append((first, end))
    return found


def _is_of_its_minute(count: Sequence[Any]) -> bool:
    """Whether nothing is lost where only the numbers of the slots are kept."""
    interval_ms, minute, slots, rows, ranges = count[2], count[3], count[6], count[7], count[8]
    if rows or not ranges or slots != sum(end - first for first, end in ranges):
        return False
    first, last = ranges[0][0], ranges[-1][1] - 1
    is_in_order = all(end <= first for (_, end), (first, _) in pairwise(ranges))
    return is_in_order and {number * interval_ms // _MINUTE_MS * 60 for number in (first, last)} == {minute}


def _lengths(ranges: Sequence[tuple[int, int]]) -> list[int]:
    lengths: list[int] = []
    before = 0
    for first, end in ranges:
        lengths += [first - before, end - first]
        before = end
    return lengths


def _ranges(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    end = 0
    for gap, length in zip(lengths[::2], lengths[1::2], strict=True):
        first, end = end + gap, end + gap + length
        yield first, end
