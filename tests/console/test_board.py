"""What the console believes: a value looks live only while the recorder is asked for it."""

from recorder.console.board import Board
from recorder.console.picture import ParameterRow, StatusPicture, ValuesPicture, parse
from recorder.console.words import shortened

SECOND_US = 1_000_000
PRESSURE = ParameterRow(id=1, name="Process/chamber_pressure")


def make_board() -> Board:
    """A board that hears a recorder, by a clock that stands still."""
    board = Board(monotonic_s=lambda: 0.0)
    board.take_status(parse(StatusPicture, {"state": "recording", "machine": "x"}))
    board.is_heard()
    return board


def picture(at_s: int, *, value: float | None = None, quality: int = 192) -> ValuesPicture:
    """An answer: every plan was scanned just now; the pressure is in it where it changed."""
    now_us = at_s * SECOND_US
    plans = (("plc", 100, now_us, None),)
    if value is None and quality == 192:
        return ValuesPicture(epoch="e", version=at_s, now_us=now_us, plans=plans)
    return ValuesPicture(
        epoch="e",
        version=at_s,
        now_us=now_us,
        plans=plans,
        ids=[1],
        values=[value],
        set_values=[None],
        quality=[quality],
        places=[0],
    )


def test_a_value_that_was_out_of_sight_is_not_live_until_it_is_told_again() -> None:
    """Its plan went on and says a new time, while the value is of minutes ago."""
    board = make_board()
    board.take_values(picture(100, value=0.5), [1])
    assert board.show(PRESSURE).is_live
    board.take_values(picture(400), [])
    shown = board.show(PRESSURE)
    assert (shown.is_live, shown.state, shown.word, shown.age_s) == (False, "stale", "wait", None)
    board.take_values(picture(401, value=7.0), [1])
    assert (board.show(PRESSURE).is_live, board.show(PRESSURE).value) == (True, 7.0)
    assert board.has_others, "it is drawn at once, however many others changed"
    board.take_values(picture(402, value=8.0), [1])
    assert not board.has_others


def test_the_age_of_a_value_that_went_bad_is_from_its_last_good_scan() -> None:
    """Which may be long after its last change: what does not change is not told again."""
    board = make_board()
    board.take_values(picture(100, value=0.5), [1])
    board.take_values(picture(400), [1])
    board.take_values(picture(401, quality=8), [1])
    shown = board.show(PRESSURE)
    assert (shown.value, shown.word, shown.age_s) == (0.5, "no device", 1.0)


def test_a_name_is_shortened_where_it_is_longest_and_keeps_its_numbers() -> None:
    """Down to a letter a word; beyond that it is cut."""
    assert shortened("Precursor 1 Heater", 18) == "Precursor 1 Heater"
    assert shortened("Precursor 1 Heater", 13) == "Precu 1 Heate"
    assert shortened("Precursor 12 Heater", 6) == "P 12 H"
    assert shortened("Precursor 1 Heater", 2) == "P "
    assert shortened("123456", 3) == "123"
