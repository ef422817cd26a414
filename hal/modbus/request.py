"""The requests of Modbus, encoded by pymodbus, each with the answer that it is due."""

from collections.abc import Sequence
from typing import Final

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    ReadWriteMultipleRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from hal.errors import DefinitionError
from hal.link import Block, check_write
from hal.modbus.channel import Question
from hal.modbus.place import UnitSettings
from hal.parameter import RegisterKind
from hal.pdu import Expected

_ECHO_OF_MANY: Final = 4  # a write of many values is answered with address and count alone
_MOST_WRITTEN_WHILE_READING: Final = 121
_HIGHEST_WORD: Final = 0xFFFF
_READ_REQUESTS: Final = {
    RegisterKind.COIL: ReadCoilsRequest,
    RegisterKind.DISCRETE_INPUT: ReadDiscreteInputsRequest,
    RegisterKind.HOLDING_REGISTER: ReadHoldingRegistersRequest,
    RegisterKind.INPUT_REGISTER: ReadInputRegistersRequest,
}

_PROBED: Final = {
    1: RegisterKind.COIL,
    2: RegisterKind.DISCRETE_INPUT,
    5: RegisterKind.COIL,
    15: RegisterKind.COIL,
}
"""What is read beside a question, by its function; holding registers beside any other."""


def read(unit: UnitSettings, block: Block) -> Question:
    """Ask for a block: functions 1 to 4.

    Raises:
        DefinitionError: no request can ask for it.
    """
    data_bytes = (block.count + 7) // 8 if block.kind.is_bit else 2 * block.count
    pdu = _READ_REQUESTS[block.kind](address=block.address, count=block.count)
    return _question(unit, f"read {block}", pdu, data_bytes=data_bytes, is_read=True)


def write(unit: UnitSettings, kind: RegisterKind, address: int, values: Sequence[int]) -> Question:
    """Ask to write words or bits: functions 5, 6 for a single value, 15, 16 for several.

    Raises:
        DefinitionError: no request can write this.
    """
    operation = check_write(kind, address, values)
    pdu: ModbusPDU
    if kind.is_bit:
        form = WriteSingleCoilRequest if len(values) == 1 else WriteMultipleCoilsRequest
        pdu = form(address=address, bits=[bool(value) for value in values])
    else:
        shape = WriteSingleRegisterRequest if len(values) == 1 else WriteMultipleRegistersRequest
        pdu = shape(address=address, registers=[int(value) for value in values])
    return _question(unit, operation, pdu, echo=pdu.encode()[:_ECHO_OF_MANY])


def mask_write(unit: UnitSettings, address: int, *, and_mask: int, or_mask: int) -> Question:
    """Ask the device to change bits of a holding register in one step: function 22.

    Raises:
        DefinitionError: an address or mask that cannot be.
    """
    operation = f"mask write holding_register {address}"
    if not all(0 <= number <= _HIGHEST_WORD for number in (address, and_mask, or_mask)):
        raise DefinitionError(f"{unit.device}: {operation}: address and masks lie within 0…{_HIGHEST_WORD}")
    pdu = MaskWriteRegisterRequest(address=address, and_mask=and_mask, or_mask=or_mask)
    return _question(unit, operation, pdu, echo=pdu.encode())


def read_write(unit: UnitSettings, block: Block, address: int, values: Sequence[int]) -> Question:
    """Ask to write holding registers, then to read some, in one transaction: function 23.

    Raises:
        DefinitionError: no request can do this.
    """
    operation = f"{check_write(RegisterKind.HOLDING_REGISTER, address, values)} and read {block}"
    if block.kind is not RegisterKind.HOLDING_REGISTER or len(values) > _MOST_WRITTEN_WHILE_READING:
        reason = f"holding registers only, and at most {_MOST_WRITTEN_WHILE_READING} are written"
        raise DefinitionError(f"{unit.device}: {operation}: {reason}")
    pdu = ReadWriteMultipleRegistersRequest(
        read_address=block.address, read_count=block.count, write_address=address, write_registers=list(values)
    )
    return _question(unit, operation, pdu, data_bytes=2 * block.count)


def identification(unit: UnitSettings, *, code: int, first_object: int) -> Question:
    """Ask who the device is: function 43, type 14; code 1 basic, 2 regular."""
    pdu = ReadDeviceInformationRequest(read_code=code, object_id=first_object)
    return _question(unit, "read device identification", pdu, is_read=True)


def echo_probe(question: Question) -> Question:
    """Ask the same unit for as little as can be, near where the question goes, by a read that no echo can answer."""
    kind = _PROBED.get(question.expected.function, RegisterKind.HOLDING_REGISTER)
    address = int.from_bytes(question.payload[1:3], "big")
    several = 9 if kind.is_bit else 2
    least_bytes = 1 if kind.is_bit else 2
    # an echo is known by the address, of which the high byte must not be the number of bytes that are due
    count = several if address >> 8 == least_bytes else 1
    return read(question.unit, Block(kind=kind, address=address, count=count))


def _question(
    unit: UnitSettings,
    operation: str,
    pdu: ModbusPDU,
    *,
    data_bytes: int = 0,
    echo: bytes = b"",
    is_read: bool = False,
) -> Question:
    try:
        payload = pdu.function_code.to_bytes(1, "big") + pdu.encode()
    except ValueError as error:  # pymodbus finds the request impossible
        raise DefinitionError(f"{unit.device}: {operation}: {error}") from error
    expected = Expected(unit=unit.unit, function=pdu.function_code, data_bytes=data_bytes, echo=echo)
    return Question(operation=operation, unit=unit, payload=payload, expected=expected, is_read=is_read)
