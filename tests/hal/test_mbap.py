"""Answers of the Modbus specification, and of devices that do not follow it."""

import pytest

from hal.mbap import take_answer
from hal.pdu import Answer, Expected

HEADER = bytes.fromhex("0001 0000")


def frame(pdu: str, *, unit: int = 1, transaction: int = 1, length: int | None = None) -> bytes:
    """A whole answer around the bytes behind its header."""
    body = bytes((unit,)) + bytes.fromhex(pdu)
    said = len(body) if length is None else length
    return transaction.to_bytes(2, "big") + b"\0\0" + said.to_bytes(2, "big") + body


def expected(function: int, *, data_bytes: int = 0, echo: str = "") -> Expected:
    """What is due to transaction 1 of unit 1."""
    return Expected(transaction=1, unit=1, function=function, data_bytes=data_bytes, echo=bytes.fromhex(echo))


@pytest.mark.parametrize(
    ("pdu", "due", "data"),
    [
        ("01 03 CD 6B 05", expected(1, data_bytes=3), "CD6B05"),
        ("02 03 AC DB 35", expected(2, data_bytes=3), "ACDB35"),
        ("03 06 02 2B 00 00 00 64", expected(3, data_bytes=6), "022B00000064"),
        ("04 02 00 0A", expected(4, data_bytes=2), "000A"),
        ("05 00 AC FF 00", expected(5, echo="00AC FF00"), ""),
        ("06 00 01 00 03", expected(6, echo="0001 0003"), ""),
        ("0F 00 13 00 0A", expected(15, echo="0013 000A"), ""),
        ("10 00 01 00 02", expected(16, echo="0001 0002"), ""),
    ],
)
def test_the_answers_of_the_specification_are_taken(pdu: str, due: Expected, data: str) -> None:
    """MODBUS Application Protocol Specification V1.1b3, examples of sections 6.1 to 6.6, 6.11 and 6.12."""
    assert take_answer(frame(pdu), due) == Answer(data=bytes.fromhex(data))


def test_the_exception_of_the_specification_is_a_refusal() -> None:
    """The same document, section 7: read coils 1245, answered 81 02."""
    assert take_answer(frame("81 02"), expected(1, data_bytes=1)) == Answer(exception_code=2)


def test_an_answer_may_come_in_any_pieces() -> None:
    """TCP keeps order, not boundaries: until the last byte, more are due."""
    whole = frame("03 06 02 2B 00 00 00 64")
    due = expected(3, data_bytes=6)
    assert [take_answer(whole[:cut], due) for cut in range(len(whole))] == [None] * len(whole)
    assert take_answer(whole, due) == Answer(data=bytes.fromhex("022B00000064"))


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (frame("03 02 00 01", transaction=2), "transaction 1 was asked, transaction 2 answered"),
        (frame("03 02 00 01", transaction=0), "transaction 1 was asked, transaction 0 answered"),
        (frame("03 02 00 01", unit=2), "unit 1 was asked, unit 2 answered"),
        (frame("04 02 00 01"), "function 3 was asked, function 4 answered"),
        (frame("84 02"), "function 3 was asked, function 132 answered"),
        (bytes.fromhex("0001 0001 0005 01 03 02 0001"), "the protocol id is 1"),
        (frame("03 00"), "an answer of 4 bytes is due, its header says 2"),
        (frame("03 01 00"), "an answer of 4 bytes is due, its header says 3"),
        (frame("03 04 00 01 00 02"), "an answer of 4 bytes is due, its header says 6"),
        (frame("03 01 00 01"), "2 bytes of data are due, the answer says 1"),
        (frame("03 02 00 01", length=0), "its header says -1"),
        (frame("03 02 00 01") + b"\0", "1 bytes too many"),
        (frame("83 02", length=2), "an answer of 2 bytes is due, its header says 1"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "transaction 18516 answered"),
    ],
)
def test_an_answer_that_does_not_fit_is_told_why(received: bytes, reason: str) -> None:
    """Not a byte of it is data."""
    with pytest.raises(ValueError, match=reason):
        take_answer(received, expected(3, data_bytes=2))


@pytest.mark.parametrize("pdu", ["06 00 01 00 04", "06 00 02 00 03"])
def test_a_write_that_is_answered_with_another_is_not_done(pdu: str) -> None:
    """Address and value have to come back as they were sent."""
    with pytest.raises(ValueError, match="00 01 00 03 was written"):
        take_answer(frame(pdu), expected(6, echo="0001 0003"))


def test_a_wrong_beginning_does_not_wait_for_its_end() -> None:
    """Two bytes of another transaction are enough, so rubbish does not cost a time-out."""
    with pytest.raises(ValueError, match="transaction 9"):
        take_answer(b"\x00\x09", expected(3, data_bytes=2))
