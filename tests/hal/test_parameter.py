"""Definitions that cannot be are refused before any request."""

import math
from typing import Any

import pytest

from hal.errors import DefinitionError
from hal.parameter import DataType, RegisterKind, WordOrder
from tests.hal.parameters import make

HOLDING = RegisterKind.HOLDING_REGISTER


@pytest.mark.parametrize(
    ("kind", "address", "data_type", "fields", "reason"),
    [
        (HOLDING, -1, DataType.INT16, {}, "address -1"),
        (HOLDING, 65_536, DataType.INT16, {}, "address 65536"),
        (HOLDING, 65_535, DataType.FLOAT32, {}, "pass address 65535"),
        (RegisterKind.COIL, 0, DataType.INT16, {}, "holds one bit"),
        (RegisterKind.COIL, 0, DataType.BINARY, {"bit": 1}, "only from a register"),
        (HOLDING, 0, DataType.INT16, {"bit": 1}, "only from a register"),
        (HOLDING, 0, DataType.BINARY, {"bit": 16}, "bit 16"),
        (HOLDING, 0, DataType.ASCII, {}, "ascii needs one"),
        (HOLDING, 0, DataType.INT16, {"length": 2}, "belongs to ascii"),
        (HOLDING, 0, DataType.INT16, {"scale": 0.0}, "scale 0.0"),
        (HOLDING, 0, DataType.INT16, {"scale": math.nan}, "scale nan"),
        (HOLDING, 0, DataType.INT16, {"offset": math.inf}, "offset inf"),
        (HOLDING, 0, DataType.INT16, {"scan_interval_ms": 0}, "0 ms"),
    ],
)
def test_an_impossible_parameter_is_refused_by_name(
    kind: RegisterKind, address: int, data_type: DataType, fields: dict[str, Any], reason: str
) -> None:
    """The person who wrote the definition has to find it."""
    with pytest.raises(DefinitionError, match=rf"^test/1: .*{reason}"):
        make(1, kind, address, data_type, **fields)


def test_the_last_address_is_usable() -> None:
    """The address space ends at 65535, inclusive."""
    assert make(1, HOLDING, 65_534, DataType.FLOAT32).last_address == 65_535


def test_each_kind_is_read_by_its_own_function() -> None:
    """MODBUS Application Protocol Specification V1.1b3, sections 6.1 to 6.4."""
    assert [kind.function_code for kind in RegisterKind] == [1, 2, 3, 4]


def test_word_orders_say_what_they_exchange() -> None:
    """Words, bytes, or both."""
    assert [(order.low_word_first, order.bytes_swapped) for order in WordOrder] == [
        (False, False),
        (True, False),
        (False, True),
        (True, True),
    ]
