"""What stands next to doubtful parameters, read several times: a signal at rest shows nothing in one look."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from hal.link import Block
from hal.survey import attempt
from recorder.check.devices import CheckedDevice, Found
from recorder.check.hypotheses import windows
from recorder.check.image import Image
from recorder.check.judgement import FEWEST_READINGS, is_doubtful
from recorder.check.plausible import Expectation
from recorder.check.writes import write_place
from recorder.definitions.definitions import Definition

_LOOKS: Final = 3


async def look_around(
    device: CheckedDevice, definitions: Sequence[Definition], found: Found, expectations: Mapping[str, Expectation]
) -> None:
    """Read what is next to doubtful parameters, and where parameters are written.

    Args:
        device: where to look.
        definitions: its readable definitions.
        found: what was read of it; takes what is read.
        expectations: what the front panels say, by parameter.

    Raises:
        LinkError: the device gave no answer at all.
    """
    around: list[Block] = []
    written: list[Block] = []
    for definition in definitions:
        expectation = expectations.get(definition.full_name)
        if definition.full_name in found.refused or is_doubtful(definition, found.image, expectation):
            around += windows(definition, wide=expectation is not None)
        place = write_place(definition) if definition.is_writable else None
        if place is not None:
            written.append(Block(kind=place[0], address=place[1], count=place[2]))
    await _read(device, _unknown(written, found.image, readings=1), found.image)
    again = await _read(device, _unknown(around, found.image, readings=FEWEST_READINGS), found.image)
    for _ in range(_LOOKS - 1 if again else 0):
        await asyncio.sleep(device.watched_s / _LOOKS)
        await _read(device, again, found.image)


def _unknown(blocks: Iterable[Block], image: Image, *, readings: int) -> list[Block]:
    """Those that were not read as a whole so often; each once."""
    return [
        block
        for block in dict.fromkeys(blocks)
        if len(image.readings(block.kind, block.address, block.count)) < readings
    ]


async def _read(device: CheckedDevice, blocks: Sequence[Block], image: Image) -> list[Block]:
    """Read blocks, and of what is refused each address that can be read; return what was."""
    was_read = []
    for block in blocks:
        for part in (block, *_parts(block)):
            reading = await attempt(device.reader, part, limits=device.limits)
            if reading is not None:
                image.take(part, reading)
                was_read.append(part)
            if part is block and reading is not None:
                break
    return was_read


def _parts(block: Block) -> list[Block]:
    """A window without its first address, without its last, and without both; some devices refuse half of a value."""
    sizes = ((0, 1), (1, 0), (1, 1))
    return [
        Block(kind=block.kind, address=block.address + first, count=block.count - first - last)
        for first, last in sizes
        if block.count > first + last
    ]
