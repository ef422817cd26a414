"""Points as CSV and NDJSON, cursors, and what a client accepts."""

import csv
import io
import json
import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hal.quality import Quality
from recorder.api.accepted import best_of, has_already, takes_gzip
from recorder.api.points import ParameterName, PointFormat, point_writer
from recorder.api.run_cursor import MOST_ID, RunCursor

NAMES = {
    1: ParameterName(id=1, component="Process", parameter="pressure", unit="Torr"),
    2: ParameterName(id=2, component='Heater "A", left', parameter="température\nnext line", unit="°C"),
}
START = datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=UTC)
ROWS = [
    (START, 1, 0.1, None, 192),
    (START, 2, None, 120.5, 24),
    (START + timedelta(microseconds=1), 1, 1e-300, -0.0, 84),
    (START + timedelta(seconds=1), 3, math.inf, math.nan, 77),
]
TIMES = ["2026-11-22T23:59:59.999999Z"] * 2 + ["2026-11-23T00:00:00.000000Z", "2026-11-23T00:00:00.999999Z"]


def test_csv_says_everything_and_survives_any_name() -> None:
    """Microseconds in UTC, quality in words and code; a name may have quotes, commas and line feeds."""
    writer = point_writer(PointFormat.CSV, NAMES)
    text = (writer.head() + writer.lines(ROWS[:2]) + writer.lines(ROWS[2:])).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["timestamp"] for row in rows] == TIMES
    assert [row["parameter_id"] for row in rows] == ["1", "2", "1", "3"]
    assert (rows[1]["component"], rows[1]["parameter"], rows[1]["unit"]) == (
        'Heater "A", left',
        "température\nnext line",
        "°C",
    )
    assert (rows[3]["component"], rows[3]["parameter"]) == ("", "")
    assert [row["value"] for row in rows] == ["0.1", "", "1e-300", "inf"]
    assert [row["set_value"] for row in rows] == ["", "120.5", "-0.0", "nan"]
    assert [row["quality"] for row in rows] == ["good", "communication_failure", "out_of_range", "unknown"]
    assert [row["quality_code"] for row in rows] == ["192", "24", "84", "77"]


def test_ndjson_is_json_on_every_line() -> None:
    """What is no number is null: JSON has no word for it."""
    writer = point_writer(PointFormat.NDJSON, NAMES)
    assert writer.head() == b""
    lines = writer.lines(ROWS).decode().splitlines()
    found = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [one["timestamp"] for one in found] == TIMES
    assert [one["value"] for one in found] == [0.1, None, 1e-300, None]
    assert [one["set_value"] for one in found] == [None, 120.5, -0.0, None]
    assert found[1]["parameter"] == "température\nnext line"
    assert found[3] == {
        "timestamp": TIMES[3],
        "parameter_id": 3,
        "component": "",
        "parameter": "",
        "unit": "",
        "value": None,
        "set_value": None,
        "quality": "unknown",
        "quality_code": 77,
    }


@pytest.mark.parametrize("form", PointFormat)
def test_every_quality_has_its_word(form: PointFormat) -> None:
    """As in the table quality_codes."""
    text = point_writer(form, NAMES).lines([(START, 1, 1.0, None, int(code)) for code in Quality]).decode()
    for line, code in zip(text.splitlines(), Quality, strict=True):
        assert code.name.lower() in line
        assert line.rstrip("}").endswith(f"{int(code)}")


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, MOST_ID))
@example(datetime(1, 1, 1, tzinfo=UTC), 0)
@example(datetime.max.replace(tzinfo=UTC), MOST_ID)
def test_a_cursor_comes_back_as_it_went(started_at: datetime, run: int) -> None:
    """To the microsecond."""
    cursor = RunCursor(started_at=started_at, run=run)
    assert RunCursor.decode(cursor.encode()) == cursor


@given(st.text(max_size=40))
@example("MS4x ")
@example("=")
@example("MTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwLjE")
@example("MS4tMQ")
def test_a_cursor_that_nobody_gave_out_is_refused(text: str) -> None:
    """Or it is one that could have been given out."""
    found = None
    with suppress(ValueError):
        found = RunCursor.decode(text)
    assert found is None or found.encode() == text


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        (None, "text/csv"),
        ("", "text/csv"),
        ("*/*", "text/csv"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/*;q=0.1, application/*; q=0.9", "application/x-ndjson"),
        ("text/csv;q=0, */*", "application/x-ndjson"),
        ("Text/CSV", "text/csv"),
        ("application/json", None),
        ("text/csv;q=rubbish", None),
        (",;q=1,,", None),
    ],
)
def test_the_format_is_what_the_client_likes_best(accept: str | None, best: str | None) -> None:
    """The first of equals; None where it takes none."""
    assert best_of(["text/csv", "application/x-ndjson"], accept) == best


@pytest.mark.parametrize(
    ("header", "takes"),
    [(None, False), ("gzip", True), ("br, GZIP;q=0.3", True), ("gzip;q=0, *", False), ("*", True), ("identity", False)],
)
def test_gzip_is_sent_to_who_takes_it(header: str | None, takes: bool) -> None:
    """And to nobody else."""
    assert takes_gzip(header) is takes


@pytest.mark.parametrize(
    ("header", "has"),
    [(None, False), ('"a"', True), ('W/"a"', True), ('"b", W/"a"', True), ("*", True), ('"b"', False)],
)
def test_an_etag_is_compared_weakly(header: str | None, has: bool) -> None:
    """As If-None-Match wants it."""
    assert has_already('"a"', header) is has
    assert has_already('W/"a"', header) is has
