"""Where a value lives in a device, and how its words are read."""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Final

from hal.errors import DefinitionError


class RegisterKind(StrEnum):
    """The four primary tables of the Modbus data model, each read by a function code of its own."""

    COIL = "coil"
    DISCRETE_INPUT = "discrete_input"
    HOLDING_REGISTER = "holding_register"
    INPUT_REGISTER = "input_register"

    @property
    def is_bit(self) -> bool:
        """Whether one address holds one bit rather than a 16-bit word."""
        return self in {RegisterKind.COIL, RegisterKind.DISCRETE_INPUT}

    @property
    def function_code(self) -> int:
        """The function code that reads this kind."""
        return READ_FUNCTION_CODES[self]


READ_FUNCTION_CODES: Final = {
    RegisterKind.COIL: 1,
    RegisterKind.DISCRETE_INPUT: 2,
    RegisterKind.HOLDING_REGISTER: 3,
    RegisterKind.INPUT_REGISTER: 4,
}


class DataType(StrEnum):
    """How the words of a value are understood."""

    BINARY = "binary"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    ASCII = "ascii"

    @property
    def words(self) -> int:
        """16-bit words of one value; 0 for ASCII, whose length the parameter gives."""
        return _WORDS[self]


_WORDS: Final = {
    DataType.BINARY: 1,
    DataType.INT16: 1,
    DataType.UINT16: 1,
    DataType.INT32: 2,
    DataType.UINT32: 2,
    DataType.INT64: 4,
    DataType.UINT64: 4,
    DataType.FLOAT32: 2,
    DataType.FLOAT64: 4,
    DataType.ASCII: 0,
}


class WordOrder(StrEnum):
    """In which order the bytes of a value arrive, most significant byte named A.

    A 64-bit value follows the same rule with four words: ``CDAB`` sends the low word first,
    ``BADC`` swaps the two bytes of each word, ``DCBA`` does both.
    """

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"

    @property
    def low_word_first(self) -> bool:
        """Whether the least significant word has the lowest address."""
        return self in {WordOrder.CDAB, WordOrder.DCBA}

    @property
    def bytes_swapped(self) -> bool:
        """Whether the two bytes of each word are exchanged."""
        return self in {WordOrder.BADC, WordOrder.DCBA}


LAST_ADDRESS: Final = 65_535
_BITS_OF_A_WORD: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One value of a device: its address and how to read it.

    ``engineering value = raw * scale + offset``. A 64-bit integer beyond 2**53 loses its lowest bits,
    since values are float64 from here on.

    Attributes:
        parameter_id: stable id, the ``parameter_id`` of every stored point.
        name: ``component/parameter``, as people and errors call it.
        address: protocol address counted from 0, 0…65535.
        bit: for ``BINARY`` in a register, which bit of it (0 is the least significant).
        length: for ``ASCII``, words (two characters each); else 0.
        set_value_parameter_id: the parameter that holds this one's set-value in the tool.
        range_low: lowest value the signal can have, in engineering units; below is uncertain.
        range_high: highest value the signal can have; above is uncertain.
        sentinels: raw values that mean "no measurement" (before scale and offset).
        scan_interval_ms: how often it is read.
        coherence_group: parameters of one group are of one moment, so one request reads them; empty for none.

    Raises:
        DefinitionError: on an address, type, bit or length that cannot be.
    """

    parameter_id: int
    name: str
    kind: RegisterKind
    address: int
    data_type: DataType
    word_order: WordOrder = WordOrder.ABCD
    bit: int | None = None
    length: int = 0
    scale: float = 1.0
    offset: float = 0.0
    set_value_parameter_id: int | None = None
    range_low: float | None = None
    range_high: float | None = None
    sentinels: tuple[float, ...] = ()
    scan_interval_ms: int = 100
    coherence_group: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.address <= LAST_ADDRESS:
            raise DefinitionError(f"{self.name}: address {self.address} is outside 0…{LAST_ADDRESS}")
        if self.kind.is_bit and self.data_type is not DataType.BINARY:
            raise DefinitionError(f"{self.name}: a {self.kind} holds one bit, not {self.data_type}")
        if self.bit is not None and (self.kind.is_bit or self.data_type is not DataType.BINARY):
            raise DefinitionError(f"{self.name}: a bit is chosen only from a register of type binary")
        if self.bit is not None and not 0 <= self.bit < _BITS_OF_A_WORD:
            raise DefinitionError(f"{self.name}: bit {self.bit} is outside 0…15")
        if (self.data_type is DataType.ASCII) != (self.length > 0):
            raise DefinitionError(f"{self.name}: a length in words belongs to ascii, and ascii needs one")
        if self.last_address > LAST_ADDRESS:
            raise DefinitionError(f"{self.name}: its {self.words} words at {self.address} pass address {LAST_ADDRESS}")
        if not (isfinite(self.scale) and isfinite(self.offset) and self.scale != 0.0):
            raise DefinitionError(
                f"{self.name}: scale {self.scale} or offset {self.offset} makes no value of a raw one"
            )
        if self.scan_interval_ms < 1:
            raise DefinitionError(f"{self.name}: a scan interval of {self.scan_interval_ms} ms cannot be")

    @property
    def words(self) -> int:
        """Addresses taken: words of a register kind, one of a bit kind."""
        return self.length or self.data_type.words

    @property
    def last_address(self) -> int:
        """The last address taken."""
        return self.address + self.words - 1
