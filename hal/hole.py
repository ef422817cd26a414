"""A hole: addresses that a device refused, as plain data that outlives the program."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from hal.errors import DefinitionError
from hal.limits import AddressRange, Boundary
from hal.link import Block
from hal.parameter import RegisterKind


class HoleSort(StrEnum):
    """What was refused."""

    PARAMETER = "parameter"
    """Addresses of a parameter: it is bad."""
    GAP = "gap"
    """Unused addresses between two parameters: requests no longer bridge them, and no parameter is bad."""
    BOUNDARY = "boundary"
    """Nothing but to read both sides at once: requests end there, and no parameter is bad."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Hole:
    """Something that a device refused to read.

    Attributes:
        kind: the kind that the request asked for.
        first: lowest address that is refused; of a boundary the address behind it.
        last: highest address that is refused; of a boundary the same as ``first``.
        asked_first: first address of the request that showed it, and will show when it is repaired.
        asked_last: last address of that request.
    """

    kind: RegisterKind
    first: int
    last: int
    sort: HoleSort
    asked_first: int
    asked_last: int

    def __str__(self) -> str:
        place = self.forbidden or self.boundary
        return f"{self.sort} at {place}"

    @property
    def forbidden(self) -> AddressRange | None:
        """What no request may touch; None for a boundary."""
        if self.sort is HoleSort.BOUNDARY:
            return None
        return AddressRange(kind=self.kind, first=self.first, last=self.last)

    @property
    def boundary(self) -> Boundary | None:
        """What no request may cross; None for all but a boundary."""
        return Boundary(kind=self.kind, address=self.first) if self.sort is HoleSort.BOUNDARY else None

    @property
    def probe(self) -> Block:
        """The request that shows whether it is still there."""
        return Block(kind=self.kind, address=self.asked_first, count=self.asked_last - self.asked_first + 1)

    def to_plain(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "sort": str(self.sort),
            "kind": str(self.kind),
            "first": self.first,
            "last": self.last,
            "asked_first": self.asked_first,
            "asked_last": self.asked_last,
        }

    @classmethod
    def of_plain(cls, content: Mapping[str, Any]) -> Self:
        """Read what `to_plain` gave.

        Raises:
            DefinitionError: it is something else.
        """
        try:
            hole = cls(
                sort=HoleSort(content["sort"]),
                kind=RegisterKind(content["kind"]),
                first=int(content["first"]),
                last=int(content["last"]),
                asked_first=int(content["asked_first"]),
                asked_last=int(content["asked_last"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DefinitionError(f"{dict(content)!r} is no refused address: {error}") from error
        AddressRange(kind=hole.kind, first=hole.first, last=hole.last)
        AddressRange(kind=hole.kind, first=hole.asked_first, last=hole.asked_last)
        return hole
