"""Functions 22, 23 and 43 against the examples of the specification, and who a device says that it is."""

import asyncio

import pytest

from hal.errors import DefinitionError, MalformedError
from hal.link import Block, Identify, MaskWrite, ReadWrite
from hal.parameter import RegisterKind
from tests.hal.test_modbus import Script, answering, serving

HOLDING = RegisterKind.HOLDING_REGISTER


async def test_the_mask_write_of_the_specification() -> None:
    """MODBUS Application Protocol Specification V1.1b3, section 6.16."""
    async with serving(answering("16 0004 00F2 0025")) as served:
        link = await served.connect()
        assert isinstance(link, MaskWrite)
        await link.mask_write(4, and_mask=0x00F2, or_mask=0x0025)
        assert served.requests[0][7:] == bytes.fromhex("16 0004 00F2 0025")
        with pytest.raises(DefinitionError, match="mask write holding_register 4"):
            await link.mask_write(4, and_mask=0x1_0000, or_mask=0)
        await link.close()


async def test_a_mask_write_that_is_echoed_otherwise_is_not_done() -> None:
    """Address and both masks have to come back."""
    async with serving(answering("16 0004 00F2 0024")) as served:
        link = await served.connect()
        with pytest.raises(MalformedError, match="was written, the answer repeats"):
            await link.mask_write(4, and_mask=0x00F2, or_mask=0x0025)
        await link.close()


async def test_the_read_write_of_the_specification() -> None:
    """The same document, section 6.17: read 6 registers from 3, write 3 from 14."""
    async with serving(answering("17 0C 00FE 0ACD 0001 0003 000D 00FF")) as served:
        link = await served.connect()
        assert isinstance(link, ReadWrite)
        reading = await link.read_write(Block(kind=HOLDING, address=3, count=6), 14, [0xFF, 0xFF, 0xFF])
        assert reading.data.tolist() == [0xFE, 0xACD, 1, 3, 0xD, 0xFF]
        assert served.requests[0][7:] == bytes.fromhex("17 0003 0006 000E 0003 06 00FF 00FF 00FF")
        for block, values in (
            (Block(kind=HOLDING, address=3, count=6), [0] * 122),
            (Block(kind=RegisterKind.INPUT_REGISTER, address=3, count=6), [0]),
        ):
            with pytest.raises(DefinitionError, match="holding registers only"):
                await link.read_write(block, 14, values)
        await link.close()


def scripted(*pdus: str) -> Script:
    """Answer one request after the other."""
    left = [bytes.fromhex(pdu) for pdu in pdus]

    async def script(request: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = request[6:7] + left.pop(0)
        writer.write(request[:4] + len(body).to_bytes(2, "big") + body)
        await writer.drain()

    return script


def text(number: int, words: str) -> str:
    """One object of an identification."""
    return bytes((number, len(words))).hex() + words.encode().hex()


async def test_a_device_says_who_it_is() -> None:
    """The same document, section 6.21: in parts where it must, and without the regular part where it has none."""
    async with serving(
        scripted(
            f"2B 0E 01 01 FF 02 02 {text(0, 'Company identification')} {text(1, 'Product code XX')}",
            f"2B 0E 01 01 00 00 01 {text(2, 'V2.11')}",
            "AB 03",
        )
    ) as served:
        link = await served.connect()
        assert isinstance(link, Identify)
        assert await link.identify() == {
            "vendor": "Company identification",
            "product_code": "Product code XX",
            "revision": "V2.11",
        }
        assert [request[7:] for request in served.requests] == [
            bytes.fromhex(pdu) for pdu in ("2B 0E 01 00", "2B 0E 01 02", "2B 0E 02 00")
        ]
        await link.close()


async def test_a_device_that_cannot_say_who_it_is_is_nobody() -> None:
    """An unknown function is no fault."""
    async with serving(scripted("AB 01", "AB 01")) as served:
        link = await served.connect()
        assert await link.identify() == {}
        assert not await link.knows(43)
        await link.close()


async def test_a_device_that_never_ends_its_identification_is_left() -> None:
    """Sixteen parts of each code are enough."""
    async with serving(scripted(*[f"2B 0E 01 01 FF 00 01 {text(0, 'again')}"] * 40)) as served:
        link = await served.connect()
        assert await link.identify() == {"vendor": "again"}
        assert len(served.requests) == 32
        await link.close()


async def test_a_function_counts_as_known_unless_it_is_called_illegal() -> None:
    """A refused address is an answer of the function."""
    async with serving(scripted("83 02", "84 01", "01 01 00")) as served:
        link = await served.connect()
        assert [await link.knows(code) for code in (3, 4, 1)] == [True, False, True]
        await link.close()
