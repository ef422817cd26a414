"""What a device allows one request to read: how much, across how many unused addresses, and which never.

Apart from the plan, since a configuration, a definition and what a device refused all speak of these.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, Self

from hal.errors import DefinitionError
from hal.parameter import LAST_ADDRESS, RegisterKind

MOST_REGISTERS: Final = 125
"""Registers of one request: MODBUS Application Protocol Specification V1.1b3, sections 6.3 and 6.4."""
MOST_BITS: Final = 2_000
"""Bits of one request: the same, sections 6.1 and 6.2."""
_RANGE: Final = re.compile(r"(?P<kind>[a-z_]+) +(?P<first>\d+)(?: *(?:\.\.|…|-) *(?P<last>\d+))?", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class AddressRange:
    """Neighbouring addresses of one kind, the last among them.

    Raises:
        DefinitionError: it is empty, or passes the addresses that there are.
    """

    kind: RegisterKind
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last <= LAST_ADDRESS:
            raise DefinitionError(f"{self} is no range of addresses within 0…{LAST_ADDRESS}")

    def __str__(self) -> str:
        return f"{self.kind} {self.first}..{self.last}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``holding_register 100..109`` or ``coil 5``.

        Raises:
            DefinitionError: it says something else.
        """
        found = _RANGE.fullmatch(text.strip())
        if found is None or found["kind"] not in set(RegisterKind):
            kinds = ", ".join(RegisterKind)
            raise DefinitionError(
                f"{text!r} is no range of addresses; write for example 'holding_register 100..109', with one of {kinds}"
            )
        first = int(found["first"])
        return cls(kind=RegisterKind(found["kind"]), first=first, last=int(found["last"] or first))


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Boundary:
    """A place that no request may cross, though both of its sides can be read: between ``address - 1`` and ``address``.

    Devices have them where two of their tables meet, or where they take fewer addresses a request than they say.
    """

    kind: RegisterKind
    address: int

    def __str__(self) -> str:
        return f"{self.kind} {self.address - 1}|{self.address}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanLimits:
    """How much one request may span, how many unused addresses it may bridge, and what it must not touch.

    The default gaps are 32 bytes of answer. Where a request is dearest to save, on Ethernet, they cost 3 microseconds
    at 100 Mbit/s against 5 to 10 ms of a PLC; where a byte is dearest, at 9,600 baud, 37 ms against the 23 ms of
    another request's frame and silence and the 20 to 150 ms of a device. A wider gap would save the real tool nothing
    (6 requests at 16 and at 125 registers, 13 at 8) and would touch more addresses that a device may refuse.

    Attributes:
        max_registers: most registers of one request, 1…125.
        max_bits: most coils or discrete inputs of one request, 1…2,000.
        max_register_gap: most unused registers between two neighbours; 0 merges only what touches. It is a matter of
            cost, so parameters that must be coherent share a request across any gap.
        max_bit_gap: most unused bits between two neighbours.
        forbidden: addresses that no request may touch.
        boundaries: places that no request may cross.
        one_register_image: whether input and holding registers are one memory, so that function 3 reads both.

    Raises:
        DefinitionError: on a limit that no request can have.
    """

    max_registers: int = MOST_REGISTERS
    max_bits: int = MOST_BITS
    max_register_gap: int = 16
    max_bit_gap: int = 256
    forbidden: tuple[AddressRange, ...] = ()
    boundaries: tuple[Boundary, ...] = ()
    one_register_image: bool = False

    def __post_init__(self) -> None:
        self._check("max_registers", self.max_registers, "max_register_gap", self.max_register_gap, MOST_REGISTERS)
        self._check("max_bits", self.max_bits, "max_bit_gap", self.max_bit_gap, MOST_BITS)

    @staticmethod
    def _check(span_name: str, span: int, gap_name: str, gap: int, most: int) -> None:
        if not 1 <= span <= most:
            raise DefinitionError(f"{span_name} is {span}, and one request reads 1…{most}")
        if not 0 <= gap <= span:
            raise DefinitionError(f"{gap_name} is {gap}, and must lie within 0…{span}, the {span_name} of one request")

    def span(self, kind: RegisterKind) -> int:
        """Most addresses of one request."""
        return self.max_bits if kind.is_bit else self.max_registers

    def gap(self, kind: RegisterKind) -> int:
        """Most unused addresses between two neighbours of one request."""
        return self.max_bit_gap if kind.is_bit else self.max_register_gap

    def read_as(self, kind: RegisterKind) -> RegisterKind:
        """The kind that a request asks for in order to read this one."""
        if self.one_register_image and kind is RegisterKind.INPUT_REGISTER:
            return RegisterKind.HOLDING_REGISTER
        return kind

    def forbidden_within(self, kind: RegisterKind, first: int, last: int) -> AddressRange | None:
        """The first forbidden range that touches ``first``…``last``, or None."""
        kind = self.read_as(kind)
        hits = (r for r in self.forbidden if self.read_as(r.kind) is kind and r.first <= last and r.last >= first)
        return min(hits, default=None)

    def boundary_within(self, kind: RegisterKind, first: int, last: int) -> Boundary | None:
        """The first boundary that a request of ``first``…``last`` would cross, or None."""
        kind = self.read_as(kind)
        hits = (b for b in self.boundaries if self.read_as(b.kind) is kind and first < b.address <= last)
        return min(hits, default=None)

    def narrowed(self, forbidden: tuple[AddressRange, ...], boundaries: tuple[Boundary, ...]) -> Self:
        """The same limits, and these too."""
        return replace(self, forbidden=self.forbidden + forbidden, boundaries=self.boundaries + boundaries)


DEFAULT_LIMITS: Final = PlanLimits()
