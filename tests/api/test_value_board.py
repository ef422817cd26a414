"""What a stream tells, from any version on."""

import json
from typing import Any

from recorder.api.value_board import EVERYTHING, ValueBoard
from recorder.console.picture import ParameterRow, ValuesPicture

PARAMETERS = [ParameterRow(id=number, name=f"Component/value_{number}") for number in (1, 2, 3)]


def board_of(*values: float) -> ValueBoard:
    """A board that was told these values of parameters 1, 2, 3."""
    board = ValueBoard()
    board.take_parameters(PARAMETERS)
    board.take_values(picture(dict(enumerate(values, start=1))))
    return board


def picture(values: dict[int, float], *, texts: dict[int, tuple[str | None, int]] | None = None) -> ValuesPicture:
    """What the recorder says of some values."""
    return ValuesPicture(
        epoch="e",
        version=1,
        now_us=1_000,
        plans=[("plc", 100, 900, None)],
        ids=list(values),
        values=list(values.values()),
        set_values=[None] * len(values),
        quality=[192] * len(values),
        places=[0] * len(values),
        texts=texts or {},
    )


def told(event: bytes) -> tuple[str, str, Any]:
    """Id, kind and data of an event."""
    identifier, kind, data, *_ = event.decode().split("\n")
    assert event.endswith(b"\n\n")
    return identifier.removeprefix("id: "), kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def rows_of(event: bytes) -> dict[int, float]:
    """Values by parameter id."""
    return {row[0]: row[1] for row in told(event)[2]["rows"]}


def test_a_new_client_is_told_everything() -> None:
    """With the times of the plans, so that it can say how old each value is."""
    _, kind, data = told(board_of(1.5, 2.5, 3.5).event(EVERYTHING))
    assert (kind, data["now_us"], data["columns"][:2]) == ("snapshot", 1_000, ["id", "value"])
    assert data["plans"] == [{"device": "plc", "interval_ms": 100, "timestamp_us": 900, "error": None}]
    assert sorted(row[:2] for row in data["rows"]) == [[1, 1.5], [2, 2.5], [3, 3.5]]


def test_a_slow_client_is_told_each_value_once_as_it_is_now() -> None:
    """However often it changed meanwhile: nothing is queued."""
    board = board_of(1, 2, 3)
    known = board.version
    for value in range(100):
        board.take_values(picture({2: value}))
    board.take_values(picture({3: 7}))
    _, kind, data = told(board.event(known))
    assert kind == "changes"
    assert sorted(row[:2] for row in data["rows"]) == [[2, 99], [3, 7]]
    assert rows_of(board.event(board.version)) == {}


def test_clients_of_one_version_share_one_encoding() -> None:
    """A thousand of them cost one; another answer of the recorder makes another."""
    board = board_of(1, 2, 3)
    first = board.event(EVERYTHING)
    assert board.event(EVERYTHING) is first
    board.take_values(picture({}))
    assert board.event(EVERYTHING) is not first


def test_encodings_that_are_kept_are_bounded() -> None:
    """Clients that ask for a few parameters each do not fill the memory."""
    board = board_of(1, 2, 3)
    for number in range(5_000):
        assert rows_of(board.event(EVERYTHING, frozenset({2, number + 10}))) == {2: 2}
    assert len(board._encoded) <= 256


def test_a_client_that_comes_back_gets_what_it_has_missed() -> None:
    """By the id of the last event; an id of another board, or rubbish, is answered with everything."""
    board = board_of(1, 2, 3)
    identifier = told(board.event(EVERYTHING))[0]
    board.take_values(picture({1: 9}))
    assert rows_of(board.event(board.resume(identifier))) == {1: 9}
    for wrong in ("", "x", f"{board.epoch}-", f"{board.epoch}-999", f"{board.epoch}--1", "other-1", "-" * 90, "1" * 99):
        assert board.resume(wrong) == EVERYTHING
    board.take_parameters(PARAMETERS)
    assert board.resume(identifier) == EVERYTHING


def test_a_recorder_that_is_lost_is_told_in_place_of_values() -> None:
    """A value that is not read must not look live."""
    board = board_of(1, 2, 3)
    before = board.moved
    board.is_lost("no recorder answers")
    assert board.moved > before
    moved = board.moved
    board.is_lost("no recorder answers")
    assert board.moved == moved
    assert told(board.event(EVERYTHING))[1:] == ("away", {"detail": "no recorder answers"})
    board.take_values(picture({}))
    assert board.moved > moved
    assert told(board.event(EVERYTHING))[1] == "snapshot"


def test_an_answer_without_a_change_wakes_nobody() -> None:
    """It is told with the next heartbeat."""
    board = board_of(1, 2, 3)
    moved = board.moved
    board.take_values(picture({}))
    assert (board.moved, board.version) == (moved, moved + 1)


def test_text_has_no_value_and_says_whether_it_was_read() -> None:
    """A recipe's name, for example."""
    board = board_of(1)
    board.take_values(picture({}, texts={2: ("Al2O3", 0), 3: (None, 0)}))
    rows = {row[0]: row[1:5] for row in told(board.event(EVERYTHING))[2]["rows"]}
    assert rows[2] == [None, "Al2O3", None, 192]
    assert rows[3] == [None, None, None, 24]
