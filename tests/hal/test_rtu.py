"""RTU answers of published examples, and of devices and lines that do not follow the rules."""

import pytest

from hal.pdu import Answer, Expected
from hal.rtu import crc, silence_s, take_answer


def frame(body: str) -> bytes:
    """A whole answer of unit 1 or whatever the body begins with."""
    return bytes.fromhex(body) + crc(bytes.fromhex(body))


def expected(function: int, *, data_bytes: int = 0, echo: str = "", unit: int = 1) -> Expected:
    """What is due."""
    return Expected(unit=unit, function=function, data_bytes=data_bytes, echo=bytes.fromhex(echo))


@pytest.mark.parametrize(("body", "check"), [("02 07", "41 12"), ("01 04 02 FF FF", "B8 80")])
def test_the_check_is_that_of_published_examples(body: str, check: str) -> None:
    """MODBUS over Serial Line V1.02, appendix B (02 07), and Wikipedia's article on Modbus (01 04 02 FF FF)."""
    assert crc(bytes.fromhex(body)) == bytes.fromhex(check)


@pytest.mark.parametrize(
    ("body", "due", "data"),
    [
        ("01 01 03 CD 6B 05", expected(1, data_bytes=3), "CD6B05"),
        ("01 03 06 02 2B 00 00 00 64", expected(3, data_bytes=6), "022B00000064"),
        ("11 04 02 00 0A", expected(4, data_bytes=2, unit=17), "000A"),
        ("01 05 00 AC FF 00", expected(5, echo="00AC FF00"), ""),
        ("01 10 00 01 00 02", expected(16, echo="0001 0002"), ""),
        ("01 16 00 04 00 F2 00 25", expected(22, echo="0004 00F2 0025"), ""),
        ("01 17 04 00 FE 0A CD", expected(23, data_bytes=4), "00FE0ACD"),
        ("01 2B 0E 01 01 00 00 01 00 02 41 42", expected(43), "0E 01 01 00 00 01 00 02 41 42"),
    ],
)
def test_the_answers_of_the_specification_are_taken_in_any_pieces(body: str, due: Expected, data: str) -> None:
    """Until the last byte of the check, more are due."""
    whole = frame(body)
    assert [take_answer(whole[:cut], due) for cut in range(len(whole))] == [None] * len(whole)
    taken = take_answer(whole, due)
    assert taken is not None
    assert taken == Answer(data=bytes.fromhex(data)[1:] if due.function == 43 else bytes.fromhex(data))


def test_an_exception_is_a_refusal() -> None:
    """Five bytes."""
    assert take_answer(frame("01 83 02"), expected(3, data_bytes=2)) == Answer(exception_code=2)


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (frame("02 03 02 00 01"), "unit 1 was asked, unit 2 answered"),
        (b"\x02", "unit 1 was asked, unit 2 answered"),
        (frame("01 04 02 00 01"), "function 3 was asked, function 4 answered"),
        (b"\x01\x04", "function 3 was asked, function 4 answered"),
        (frame("01 03 04 00 01 00 02"), "2 bytes of data are due, the answer says 4"),
        (b"\x01\x03\x00", "2 bytes of data are due, the answer says 0"),
        (frame("01 03 02 00 01")[:-1] + b"\xff", "its check is 79 ff, and its bytes give 79 84: the line is noisy"),
        (frame("01 03 02 00 01") + b"\0", "1 bytes too many"),
        (bytes.fromhex("01 83 02 00 00"), "its check is 00 00"),
        (frame("01 84 02"), "function 3 was asked, function 132 answered"),
    ],
)
def test_an_answer_that_does_not_fit_is_told_why(received: bytes, reason: str) -> None:
    """With the first byte that shows it; not a byte of it is data."""
    with pytest.raises(ValueError, match=reason):
        take_answer(received, expected(3, data_bytes=2))


@pytest.mark.parametrize("position", range(7))
@pytest.mark.parametrize("bit", range(8))
def test_one_bit_that_falls_over_makes_no_data(position: int, bit: int) -> None:
    """Wherever the line is hit: it is an error, or the answer never gets complete."""
    received = bytearray(frame("01 03 02 00 01"))
    received[position] ^= 1 << bit
    try:
        assert take_answer(received, expected(3, data_bytes=2)) is None
    except ValueError:
        return


def test_a_write_that_is_echoed_otherwise_is_not_done() -> None:
    """Found at the byte that differs."""
    with pytest.raises(ValueError, match="00 01 00 03 was written, the answer repeats 00 02"):
        take_answer(bytes.fromhex("01 06 00 02"), expected(6, echo="0001 0003"))


def test_an_identification_that_goes_on_for_ever_is_an_error() -> None:
    """Its own lengths may pass any frame."""
    with pytest.raises(ValueError, match="at most 253 bytes"):
        take_answer(bytes.fromhex("01 2B 0E 01 01 00 00 01 00 FF"), expected(43))


def test_another_interface_type_is_no_identification() -> None:
    """13 is CANopen."""
    with pytest.raises(ValueError, match="type 14 was asked, type 13 answered"):
        take_answer(bytes.fromhex("01 2B 0D"), expected(43))


@pytest.mark.parametrize(("baud", "bits", "silence_ms"), [(9600, 11, 4.01), (19_200, 11, 2.005), (115_200, 10, 1.75)])
def test_the_silence_between_frames(baud: int, bits: int, silence_ms: float) -> None:
    """3.5 characters; above 19,200 baud 1.75 ms."""
    assert silence_s(baud, bits) * 1000 == pytest.approx(silence_ms, abs=0.01)
