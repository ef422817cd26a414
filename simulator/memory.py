"""What a server needs of a device behind it: the seam between the wire and everything that can be served."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from hal.parameter import DataType, Parameter, RegisterKind

IDENTITY: Final[Mapping[int, str]] = {
    0x00: "ALD recorder project",
    0x01: "SIMALD",
    0x02: "1.0",
    0x03: "https://modbus.org",
    0x04: "Simulated ALD tool",
    0x05: "SIM-1",
}
"""Basic and regular objects of the device identification, sections 6.21 of the MODBUS Application Protocol V1.1b3."""

_DOUBLE: Final = frozenset({DataType.INT32, DataType.UINT32, DataType.FLOAT32})


class Memory(Protocol):
    """The memory of one device: `simulator.plc.Plc` is one."""

    def read(self, kind: RegisterKind, address: int, count: int) -> Sequence[int]:
        """Answer a read with a word or bit an address, or raise RequestRefusedError."""
        ...

    def write(self, kind: RegisterKind, address: int, words: Sequence[int]) -> None:
        """Take a write of words or bits, or raise RequestRefusedError; then nothing of it was taken."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A device behind a port.

    Attributes:
        memory: of the device.
        answer_delay_s: what the device takes for each answer; it works on one request at a time.
        identity: objects of its device identification, by their id.
        double_words: first addresses of the 32-bit values of its registers, by kind: what a wrong word order exchanges.
    """

    memory: Memory
    answer_delay_s: float = 0.0
    identity: Mapping[int, str] = field(default_factory=lambda: IDENTITY)
    double_words: Mapping[RegisterKind, frozenset[int]] = field(default_factory=dict)


def double_words(parameters: Iterable[Parameter]) -> dict[RegisterKind, frozenset[int]]:
    """First addresses of the 32-bit values among some parameters, by kind."""
    firsts: dict[RegisterKind, set[int]] = {}
    for parameter in parameters:
        if parameter.data_type in _DOUBLE:
            firsts.setdefault(parameter.kind, set()).add(parameter.address)
    return {kind: frozenset(addresses) for kind, addresses in firsts.items()}
