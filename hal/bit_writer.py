"""Changes one bit of a register and leaves its neighbours alone."""

from asyncio import Lock
from typing import Final

from hal.errors import RefusedError, RequestTimeoutError
from hal.link import Block, Link, MaskWrite
from hal.parameter import RegisterKind

_ILLEGAL_FUNCTION: Final = 1
_WORD: Final = 0xFFFF


class BitWriter:
    """Lets the device itself change the bit (function 22), where it can.

    Where it cannot, the word is read, changed and written back: what the device changes in that word in between is
    lost. A device that refuses function 22, or leaves it unanswered, is not asked for it again.
    """

    def __init__(self) -> None:
        self._turn = Lock()
        self._masks = True

    async def write(self, link: Link, address: int, *, mask: int, word: int) -> None:
        """Set the bits of ``mask`` in a holding register to those of ``word``.

        Raises:
            LinkError: they were not set, or (after a time-out) nobody knows.
        """
        async with self._turn:
            if self._masks and isinstance(link, MaskWrite):
                try:
                    await link.mask_write(address, and_mask=_WORD & ~mask, or_mask=word & mask)
                except RefusedError as error:
                    if error.exception_code != _ILLEGAL_FUNCTION:
                        raise
                    self._masks = False
                except RequestTimeoutError:
                    self._masks = False  # many a device says nothing to a function that it does not know
                    raise
                else:
                    return
            reading = await link.read(Block(kind=RegisterKind.HOLDING_REGISTER, address=address, count=1))
            changed = (int(reading.data[0]) & ~mask) | (word & mask)
            await link.write(RegisterKind.HOLDING_REGISTER, address, [changed])
