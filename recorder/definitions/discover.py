"""What answers at an address: units, functions, readable ranges and identification. Reads only, unhurried."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from hal.errors import LinkError, NotConnectedError, RefusedError, RequestTimeoutError
from hal.limits import DEFAULT_LIMITS, AddressRange
from hal.link import Block, Connect, Identify
from hal.parameter import RegisterKind
from hal.survey import BlockReader, Pace, SurveyReader, attempt, readable_ranges

_ILLEGAL_FUNCTION: Final = 1
_NOBODY: Final = frozenset({10, 11})
"""A gateway's word that there is no such unit."""
_MOST_COMPARED: Final = 32


@dataclass(kw_only=True)
class FoundUnit:
    """A unit that answers.

    Attributes:
        functions: function code to ``answered``, ``known`` (but not at address 0) or ``unknown``.
        identification: what it says of itself.
        ranges: what can be read.
        words: what was read there, by kind and address.
        same_as: an earlier unit that holds the very same; its ranges were not searched again.
    """

    unit: int
    functions: dict[int, str] = field(default_factory=dict)
    identification: dict[str, str] = field(default_factory=dict)
    ranges: list[AddressRange] = field(default_factory=list)
    words: dict[tuple[RegisterKind, int], int] = field(default_factory=dict)
    same_as: int | None = None

    def to_plain(self) -> dict[str, Any]:
        """As data for JSON."""
        return {
            "unit": self.unit,
            "functions": self.functions,
            "identification": self.identification,
            "same_as": self.same_as,
            "ranges": [{"kind": str(r.kind), "first": r.first, "last": r.last} for r in self.ranges],
        }


@dataclass(kw_only=True)
class Discovery:
    """What was found so far; it is filled as the search goes on, so that a stopped one has it all.

    Attributes:
        silent: units that did not answer.
        is_complete: whether nothing was left out.
        trouble: why it ended early; empty where it did not.
    """

    place: str
    units: list[FoundUnit] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)
    requests: int = 0
    is_complete: bool = False
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What to look for.

    Attributes:
        addresses: first and last address of each kind.
        stride: addresses from one try to the next where nothing can be read.
        rate_per_s: most requests a second.
        tell: told in one line what is being done.
    """

    units: Sequence[int]
    first: int = 0
    last: int = 9_999
    stride: int = 16
    rate_per_s: float = 20.0
    tell: Callable[[str], None] = lambda _line: None

    @property
    def described(self) -> str:
        """For people: how much is looked at."""
        return f"{len(self.units)} asked at addresses {self.first} to {self.last}"


async def discover(search: Search, connect: Callable[[int], Connect], found: Discovery) -> None:
    """Look at one unit after the other.

    Args:
        search: what to look for.
        connect: makes what opens the link of a unit.
        found: takes what is found.

    Raises:
        NotConnectedError: nobody listens there at all.
    """
    pace = Pace(search.rate_per_s)
    for unit in search.units:
        search.tell(f"unit {unit}")
        async with _reader(connect(unit), pace, found) as reader:
            try:
                await _look_at(unit, reader, search, found)
            except NotConnectedError:
                if not found.units and not found.silent:
                    raise  # the place itself is not there
                found.silent.append(unit)
            except LinkError as error:
                found.trouble = f"unit {unit}: {error.operation}: {error.reason}"
    found.is_complete = not found.trouble


@asynccontextmanager
async def _reader(connect: Connect, pace: Pace, found: Discovery) -> AsyncIterator[SurveyReader]:
    async with SurveyReader(connect, pace=pace) as reader:
        try:
            yield reader
        finally:
            found.requests += reader.requests


async def _look_at(unit: int, reader: SurveyReader, search: Search, found: Discovery) -> None:
    functions = await _functions(reader, search.first)
    if functions is None:
        found.silent.append(unit)
        return
    its = FoundUnit(unit=unit, functions=functions)
    found.units.append(its)
    link = await reader.link()
    if isinstance(link, Identify):
        its.identification = dict(await link.identify())
    for other in found.units[:-1]:
        if other.same_as is None and await _is_same(reader, its, other):
            its.same_as = other.unit
            return
    for kind in RegisterKind:
        if functions[kind.function_code] == "unknown":
            continue
        search.tell(f"unit {unit}: {kind} {search.first}..{search.last}")
        within = AddressRange(kind=kind, first=search.first, last=search.last)
        async for readable in readable_ranges(reader, within, stride=search.stride):
            its.ranges.append(readable)
            search.tell(f"unit {unit}: {readable}")
            await _read_words(reader, readable, its.words)


async def _functions(reader: BlockReader, address: int) -> dict[int, str] | None:
    """Which functions a unit knows; None where there is no such unit."""
    states: dict[int, str] = {}
    for kind in RegisterKind:
        try:
            await reader.read(Block(kind=kind, address=address, count=1))
        except RequestTimeoutError:
            if not states:
                return None
            states[kind.function_code] = "unknown"
        except RefusedError as error:
            if error.exception_code in _NOBODY:
                return None
            states[kind.function_code] = "unknown" if error.exception_code == _ILLEGAL_FUNCTION else "known"
        else:
            states[kind.function_code] = "answered"
    return states


async def _is_same(reader: BlockReader, its: FoundUnit, other: FoundUnit) -> bool:
    """Whether a unit holds what another does: many devices answer to any unit identifier."""
    if its.functions != other.functions or its.identification != other.identification:
        return False
    held = [place for place, word in other.words.items() if word and not place[0].is_bit][:_MOST_COMPARED]
    same = 0
    for kind, address in held:
        reading = await attempt(reader, Block(kind=kind, address=address, count=1))
        if reading is None:
            return False
        same += int(reading.data[0]) == other.words[kind, address]
    # measurements move between two readings, set-values do not
    return bool(held) and 2 * same >= len(held)


async def _read_words(reader: BlockReader, readable: AddressRange, words: dict[tuple[RegisterKind, int], int]) -> None:
    span = DEFAULT_LIMITS.span(readable.kind)
    for first in range(readable.first, readable.last + 1, span):
        count = min(span, readable.last + 1 - first)
        reading = await attempt(reader, Block(kind=readable.kind, address=first, count=count))
        if reading is not None:
            words |= {(readable.kind, first + n): int(word) for n, word in enumerate(reading.data.tolist())}


def describe(functions: Mapping[int, str]) -> str:
    """For people: the functions that a unit knows."""
    known = [str(code) for code, state in functions.items() if state != "unknown"]
    return ", ".join(known) or "none that reads"
