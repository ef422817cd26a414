"""Which addresses of a device can be read, by bisection.

A request is refused where any of its addresses is, so a refused block says little: what can be read from its start is
found by halving, and behind a hole single places are tried a stride apart, since to try each address of an empty map
would take an hour. A readable stretch that is shorter than the stride can therefore be missed.
"""

from collections.abc import AsyncIterator

from hal.limits import DEFAULT_LIMITS, AddressRange, PlanLimits
from hal.link import Block
from hal.survey.reader import BlockReader, attempt


async def readable_ranges(
    reader: BlockReader, within: AddressRange, *, stride: int = 16, limits: PlanLimits = DEFAULT_LIMITS
) -> AsyncIterator[AddressRange]:
    """Find what can be read, lowest address first; ranges that touch come as one.

    Args:
        reader: makes the requests.
        within: kind and addresses to look at.
        stride: addresses from one try to the next where nothing can be read.
        limits: longest request, and what must not be asked for.

    Raises:
        LinkError: the device gave no answer at all.
    """
    search = _Search(reader, within, stride, limits)
    found: AddressRange | None = None
    at: int | None = within.first
    while at is not None:
        count = await search.readable_from(at)
        if count == 0:
            if found is not None:
                yield found  # before the search goes on, which may take long
                found = None
            at = await search.next_readable(at)
            continue
        last = at + count - 1
        found = AddressRange(kind=within.kind, first=at if found is None else found.first, last=last)
        at = last + 1 if last < within.last else None
    if found is not None:
        yield found


class _Search:
    def __init__(self, reader: BlockReader, within: AddressRange, stride: int, limits: PlanLimits) -> None:
        self._reader = reader
        self._kind = within.kind
        self._last = within.last
        self._stride = stride
        self._limits = limits
        # Some devices refuse half of a 32-bit value.
        self._shortest = (1,) if within.kind.is_bit else (2, 1)

    async def readable_from(self, first: int) -> int:
        """How many addresses one request can read from here; 0 where not even the first."""
        most = min(self._limits.span(self._kind), self._last + 1 - first)
        if await self._is_readable(first, most):
            return most
        low = await self._shortest_from(first)
        if low == 0:
            return 0
        high = most  # refused
        while high - low > 1:
            middle = (low + high) // 2
            if await self._is_readable(first, middle):
                low = middle
            else:
                high = middle
        return low

    async def next_readable(self, refused: int) -> int | None:
        """The next address behind a refused one that can be read, as far as a stride shows; None where none."""
        at = refused
        while at < self._last:
            at, refused = min(at + self._stride, self._last), at
            count = await self._shortest_from(at)
            if count:
                return await self._begin(refused, at, at + count - 1)
        return None

    async def _begin(self, refused: int, readable: int, last: int) -> int:
        """The lowest address from which all up to ``last`` can be read."""
        while readable - refused > 1:
            middle = (refused + readable) // 2
            if await self._is_readable(middle, last + 1 - middle):
                readable = middle
            else:
                refused = middle
        return readable

    async def _shortest_from(self, first: int) -> int:
        for count in self._shortest:
            if first + count - 1 <= self._last and await self._is_readable(first, count):
                return count
        return 0

    async def _is_readable(self, first: int, count: int) -> bool:
        block = Block(kind=self._kind, address=first, count=count)
        return await attempt(self._reader, block, limits=self._limits) is not None
