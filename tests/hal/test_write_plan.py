"""Which values are written together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.errors import DefinitionError
from hal.link import MOST_WRITTEN
from hal.parameter import DataType, Parameter, RegisterKind
from hal.write_plan import plan_writes


def holding(address: int, data_type: DataType = DataType.FLOAT32, *, bit: int | None = None) -> Parameter:
    """A holding register."""
    return Parameter(
        parameter_id=address,
        name=f"tool/{address}",
        kind=RegisterKind.HOLDING_REGISTER,
        address=address,
        data_type=data_type,
        bit=bit,
    )


def coil(address: int) -> Parameter:
    """A coil."""
    return Parameter(
        parameter_id=address,
        name=f"tool/coil{address}",
        kind=RegisterKind.COIL,
        address=address,
        data_type=DataType.BINARY,
    )


def test_neighbours_go_together_and_others_alone() -> None:
    """Touching registers are one request, a gap ends it, since what lies between is not ours to write."""
    parameters = [holding(12), holding(10), holding(20), coil(12), coil(13)]
    assert plan_writes(parameters) == ((1, 0), (2,), (3, 4))


def test_a_bit_of_a_register_stands_alone() -> None:
    """Two bits of one word are two changes of that word."""
    bits = [holding(5, DataType.BINARY, bit=1), holding(5, DataType.BINARY, bit=2), holding(6, DataType.UINT16)]
    assert plan_writes(bits) == ((0,), (1,), (2,))


@pytest.mark.parametrize("second", [holding(11, DataType.UINT16), holding(10)])
def test_two_values_for_one_address_are_refused(second: Parameter) -> None:
    """Which of them would win is nobody's guess."""
    with pytest.raises(DefinitionError, match="take the same address"):
        plan_writes([holding(10), second])


def test_what_cannot_be_written_is_refused() -> None:
    """An input register is the device's own."""
    reading = Parameter(
        parameter_id=1, name="tool/in", kind=RegisterKind.INPUT_REGISTER, address=1, data_type=DataType.UINT16
    )
    with pytest.raises(DefinitionError, match="tool/in"):
        plan_writes([reading])


@given(st.lists(st.integers(0, 400), unique=True, min_size=1, max_size=300))
def test_every_value_is_in_one_request_that_modbus_can_carry(addresses: list[int]) -> None:
    """All are written once, by unbroken requests of at most 123 registers."""
    parameters = [holding(address, DataType.UINT16) for address in addresses]
    groups = plan_writes(parameters)
    assert sorted(at for group in groups for at in group) == list(range(len(parameters)))
    for group in groups:
        taken = [parameters[at].address for at in group]
        assert taken == list(range(taken[0], taken[0] + len(taken)))
        assert len(taken) <= MOST_WRITTEN[RegisterKind.HOLDING_REGISTER]
