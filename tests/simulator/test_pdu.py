"""Every function code against the worked examples of the MODBUS Application Protocol V1.1b3, section 6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.parameter import RegisterKind
from simulator.array_memory import ArrayMemory
from simulator.memory import Unit
from simulator.pdu import answer, span

COIL, INPUT_BIT = RegisterKind.COIL, RegisterKind.DISCRETE_INPUT
HOLDING, INPUT = RegisterKind.HOLDING_REGISTER, RegisterKind.INPUT_REGISTER


def bits(text: str) -> list[int]:
    """Bits as the specification prints them, eight a byte with the highest address first."""
    return [int(digit) for byte in text.split() for digit in reversed(byte)]


def unit() -> Unit:
    """A device that holds what the examples of the specification read."""
    return Unit(
        memory=ArrayMemory(
            {
                COIL: (19, bits("11001101 01101011 00000101")[:19] + [0] * 300),
                INPUT_BIT: (196, bits("10101100 11011011 00110101")[:22]),
                HOLDING: (0, [0, 0, 0, 0, 0x12, 0, 0, *[0] * 100, 0x022B, 0x0000, 0x0064, *[0] * 200]),
                INPUT: (8, [0x000A]),
            }
        ),
        identity={0x00: "Company identification", 0x01: "Product code XX", 0x02: "V2.11", 0x03: "x" * 200},
    )


@pytest.mark.parametrize(
    ("section", "request_pdu", "answer_pdu"),
    [
        ("6.1 read coils 20..38", "01 00 13 00 13", "01 03 cd 6b 05"),
        ("6.2 read discrete inputs 197..218", "02 00 c4 00 16", "02 03 ac db 35"),
        ("6.3 read holding registers 108..110", "03 00 6b 00 03", "03 06 02 2b 00 00 00 64"),
        ("6.4 read input register 9", "04 00 08 00 01", "04 02 00 0a"),
        ("6.5 write coil 173 on", "05 00 ac ff 00", "05 00 ac ff 00"),
        ("6.6 write register 2 to 3", "06 00 01 00 03", "06 00 01 00 03"),
        ("6.11 write ten coils from 20", "0f 00 13 00 0a 02 cd 01", "0f 00 13 00 0a"),
        ("6.12 write two registers from 2", "10 00 01 00 02 04 00 0a 01 02", "10 00 01 00 02"),
        ("6.16 mask register 5", "16 00 04 00 f2 00 25", "16 00 04 00 f2 00 25"),
        (
            "6.17 write three registers from 15 and read six from 4",
            "17 00 03 00 06 00 0e 00 03 06 00 ff 00 ff 00 ff",
            "17 0c 00 00 00 12 00 00 00 00 00 00 00 00",
        ),
    ],
)
def test_the_examples_of_the_specification_are_answered(section: str, request_pdu: str, answer_pdu: str) -> None:
    """Byte for byte as printed there."""
    assert answer(unit(), bytes.fromhex(request_pdu)).hex(" ") == answer_pdu, section


def test_a_mask_write_changes_the_masked_bits_only() -> None:
    """0x12 with AND 0xF2 and OR 0x25 becomes 0x17, as the specification's example says."""
    device = unit()
    answer(device, bytes.fromhex("16 00 04 00 f2 00 25"))
    assert answer(device, bytes.fromhex("03 00 04 00 01")).hex(" ") == "03 02 00 17"


def test_what_is_written_is_read_again() -> None:
    """Coils by their bits in the order of their addresses, registers by their words."""
    device = unit()
    answer(device, bytes.fromhex("0f 00 13 00 0a 02 cd 01"))
    assert answer(device, bytes.fromhex("01 00 13 00 0a")).hex(" ") == "01 02 cd 01"
    answer(device, bytes.fromhex("10 00 01 00 02 04 00 0a 01 02"))
    assert answer(device, bytes.fromhex("03 00 01 00 02")).hex(" ") == "03 04 00 0a 01 02"


@pytest.mark.parametrize(
    ("what", "request_pdu", "answer_pdu"),
    [
        ("an unknown function", "07", "87 01"),
        ("no count", "03 00 00 00 00", "83 03"),
        ("126 registers", "03 00 00 00 7e", "83 03"),
        ("2,001 coils", "01 00 00 07 d1", "81 03"),
        ("a request without its end", "03 00 00", "83 03"),
        ("a request with bytes behind it", "03 00 00 00 01 00", "83 03"),
        ("an address that is not there", "03 10 00 00 01", "83 02"),
        ("addresses past the last one", "03 ff ff 00 02", "83 02"),
        ("a coil of neither value", "05 00 ac 12 34", "85 03"),
        ("124 registers written", "10 00 00 00 7c f8" + " 00" * 248, "90 03"),
        ("a byte count that does not fit", "10 00 01 00 02 03 00 0a 01", "90 03"),
        ("fewer bytes than counted", "10 00 01 00 02 04 00 0a", "90 03"),
        ("an identification of no kind", "2b 0e 05 00", "ab 03"),
        ("an object that is not there", "2b 0e 04 77", "ab 02"),
        ("another encapsulated interface", "2b 0d 01 00", "ab 01"),
    ],
)
def test_a_request_that_cannot_be_is_refused_with_the_code_that_fits(
    what: str, request_pdu: str, answer_pdu: str
) -> None:
    """1 for the function, 2 for the address, 3 for the value."""
    assert answer(unit(), bytes.fromhex(request_pdu)).hex(" ") == answer_pdu, what


def test_a_refused_write_and_read_writes_nothing() -> None:
    """The read is out of the memory, so the write is not done either."""
    device = unit()
    assert answer(device, bytes.fromhex("17 10 00 00 01 00 04 00 01 02 ff ff")) == b"\x97\x02"
    assert answer(device, bytes.fromhex("03 00 04 00 01")).hex(" ") == "03 02 00 12"


def test_the_basic_identification_is_the_specification_s_example() -> None:
    """Section 6.21: three objects, no more to follow."""
    texts = (b"Company identification", b"Product code XX", b"V2.11")
    objects = b"".join(bytes((number, len(text))) + text for number, text in enumerate(texts))
    assert answer(unit(), bytes.fromhex("2b 0e 01 00")) == bytes.fromhex("2b 0e 01 82 00 00 03") + objects


def test_an_identification_that_is_too_long_is_told_in_parts() -> None:
    """More follows at object 3, and asking for it brings it."""
    first = answer(unit(), bytes.fromhex("2b 0e 02 00"))
    assert first[4:7] == b"\xff\x03\x03"
    second = answer(unit(), bytes.fromhex("2b 0e 02 03"))
    assert second[4:9] == bytes((0, 0, 1, 3, 200))
    assert answer(unit(), bytes.fromhex("2b 0e 04 02"))[6:] == b"\x01\x02\x05V2.11"


def test_a_request_says_which_addresses_it_is_about() -> None:
    """A single write is about one address, whatever its value."""
    assert span(bytes.fromhex("03 00 6b 00 03")) == (HOLDING, 107, 3)
    assert span(bytes.fromhex("05 00 ac ff 00")) == (COIL, 172, 1)
    assert span(bytes.fromhex("2b 0e 01 00")) is None


@given(st.binary(min_size=1, max_size=253))
def test_whatever_is_asked_there_is_an_answer(request_pdu: bytes) -> None:
    """Of the same function or its refusal, within the 253 bytes of a PDU."""
    answered = answer(unit(), request_pdu)
    assert answered[0] & 0x7F == request_pdu[0] & 0x7F or answered[0] == request_pdu[0] | 0x80
    assert 1 <= len(answered) <= 253
