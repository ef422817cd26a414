"""One bit of a register is changed, and its neighbours are not."""

import pytest

from hal.bit_writer import BitWriter
from hal.errors import RefusedError, RequestTimeoutError
from hal.memory import MemoryDevice
from hal.parameter import RegisterKind

HOLDING = RegisterKind.HOLDING_REGISTER


@pytest.fixture
def memory() -> MemoryDevice:
    """A device with 0101 in register 40."""
    device = MemoryDevice("plc")
    device.put_raw(HOLDING, 40, [0b0101])
    return device


def word(memory: MemoryDevice) -> int:
    """What register 40 holds."""
    return int(memory.get_raw(HOLDING, 40, 1)[0])


async def test_a_device_that_knows_how_changes_the_bit_itself(memory: MemoryDevice) -> None:
    """One request of function 22: nothing that happens to the word in between can be lost."""
    memory.knows_mask_write = True
    link, bits = await memory.connect(), BitWriter()
    await bits.write(link, 40, mask=0b0010, word=0b0010)
    await bits.write(link, 40, mask=0b0001, word=0)
    assert word(memory) == 0b0110
    assert memory.addresses == [40, 40]


async def test_a_device_that_refuses_the_mask_is_not_asked_for_it_again(memory: MemoryDevice) -> None:
    """Refused once; then read and written twice."""
    link, bits = await memory.connect(), BitWriter()
    await bits.write(link, 40, mask=0b0010, word=0b0010)
    assert word(memory) == 0b0111
    await bits.write(link, 40, mask=0b0001, word=0)
    assert word(memory) == 0b0110
    assert memory.addresses == [40] * 5


async def test_a_device_that_is_silent_to_the_mask_is_not_asked_for_it_again(memory: MemoryDevice) -> None:
    """Many a device says nothing to a function that it does not know."""
    memory.fail_next(RequestTimeoutError(operation="mask write", device="plc", reason="test"))
    bits = BitWriter()
    with pytest.raises(RequestTimeoutError):
        await bits.write(await memory.connect(), 40, mask=0b0010, word=0b0010)
    await bits.write(await memory.connect(), 40, mask=0b0010, word=0b0010)
    assert word(memory) == 0b0111


async def test_an_address_that_is_refused_is_no_unknown_function(memory: MemoryDevice) -> None:
    """Exception 2 says that nothing would help."""
    memory.refuse(HOLDING, range(40, 41))
    with pytest.raises(RefusedError):
        await BitWriter().write(await memory.connect(), 40, mask=0b0010, word=0b0010)
    assert memory.addresses == [40]
