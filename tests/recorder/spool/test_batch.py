"""Rows in PostgreSQL's binary COPY format: against a reader of our own, and against PostgreSQL itself."""

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recorder.database import Session, connect_once
from recorder.spool.batch import RowEncoder, copy_payload
from tests.recorder.copy_format import Row, read_payload, read_rows

NAN = math.nan
T = 1_700_000_000_123_457
"""A time stamp that milliseconds could not hold."""
LAST = 2**63 - 1

ids = st.integers(-(2**31), 2**31 - 1)
doubles = st.floats(allow_infinity=True, allow_nan=True)
times = st.integers(-200_000_000_000_000_000, 9_000_000_000_000_000)
"""From 4,300 years before 1970 to the year 2255."""


@st.composite
def scans(draw: st.DrawFn) -> list[Row]:
    """The rows of one scan, where NaN stands for NULL."""
    process_id = draw(st.integers(-(2**63), LAST))
    rows = st.builds(
        Row,
        timestamp_us=times,
        process_id=st.just(process_id),
        value=doubles,
        set_value=doubles,
        parameter_id=ids,
        quality=st.integers(-(2**15), 2**15 - 1),
    )
    return draw(st.lists(rows, min_size=1, max_size=12))


def encode(encoder: RowEncoder, rows: list[Row]) -> bytes:
    """Encode the rows of one scan."""
    return encoder.encode(
        process_id=rows[0].process_id,
        timestamps_us=np.array([row.timestamp_us for row in rows], np.int64),
        values=np.array([row.value for row in rows], np.float64),
        set_values=np.array([row.set_value for row in rows], np.float64),
        quality=np.array([row.quality for row in rows], np.int16),
    )


def encoder_of(rows: list[Row]) -> RowEncoder:
    """An encoder for scans of these parameters."""
    return RowEncoder(np.array([row.parameter_id for row in rows], np.int32))


def stored(rows: list[Row]) -> list[Row]:
    """What must be stored for them: NULL for NaN; in a fixed order."""

    def null(value: float | None) -> float | None:
        return None if value is None or math.isnan(value) else value

    return sorted((row._replace(value=null(row.value), set_value=null(row.set_value)) for row in rows), key=repr)


@given(scans())
def test_any_scan_is_read_back_as_it_was(rows: list[Row]) -> None:
    """Every number at its limits, NaN as NULL, one row a parameter and none besides."""
    assert sorted(read_rows(encode(encoder_of(rows), rows)), key=repr) == stored(rows)


@given(scans(), st.data())
def test_a_scan_whose_nulls_move_is_encoded_as_by_a_fresh_encoder(rows: list[Row], data: st.DataObject) -> None:
    """What is prepared for one layout of NULLs never shows in the next scan."""
    encoder = encoder_of(rows)
    for _ in range(3):
        numbers = st.lists(doubles, min_size=len(rows), max_size=len(rows))
        values, set_values = data.draw(numbers), data.draw(numbers)
        rows = [
            row._replace(value=value, set_value=set_value)
            for row, value, set_value in zip(rows, values, set_values, strict=True)
        ]
        assert encode(encoder, rows) == encode(encoder_of(rows), rows)


def test_what_was_encoded_does_not_change_with_the_next_scan() -> None:
    """Bytes already spooled are a copy."""
    rows = [Row(T, 1, 1.0, NAN, 7, 192)]
    encoder = encoder_of(rows)
    first = encode(encoder, rows)
    encode(encoder, [row._replace(value=2.0) for row in rows])
    assert next(read_rows(first)).value == 1.0


def test_a_scan_without_rows_is_no_bytes() -> None:
    """A plan of nothing but text makes no rows."""
    empty = np.array([], np.float64)
    encoder = RowEncoder(np.array([], np.int32))
    rows = encoder.encode(
        process_id=1,
        timestamps_us=np.array([], np.int64),
        values=empty,
        set_values=empty,
        quality=np.array([], np.int16),
    )
    assert rows == b""


def test_a_payload_is_header_rows_and_trailer() -> None:
    """Also of several entries, also of none."""
    rows = [Row(T, 1, 1.0, NAN, 7, 192), Row(T, 1, NAN, 2.0, 8, 8)]
    part = encode(encoder_of(rows), rows)
    assert read_payload(bytes(copy_payload([part, part]))) == [*read_rows(part)] * 2
    assert read_payload(bytes(copy_payload([]))) == []


async def test_postgresql_stores_what_was_encoded(database_url: str) -> None:
    """All four layouts, the limits of each type, subnormal, infinite and negative zero, before 2000 and before 1970."""
    smallest = 5e-324
    rows = [
        Row(T, LAST, 1.5, 2.5, 1, 192),
        Row(T + 1, LAST, 1.5, NAN, 2, 192),
        Row(T + 2, LAST, NAN, 2.5, 3, 16),
        Row(T + 3, LAST, NAN, NAN, 2**31 - 1, 8),
        Row(T, LAST, math.inf, -math.inf, -(2**31), -(2**15)),
        Row(T, LAST, smallest, -1.7976931348623157e308, 5, 2**15 - 1),
        Row(T, LAST, -0.0, 0.1 + 0.2, 6, 84),
        Row(915_148_800_000_001, LAST, 1.0, NAN, 7, 192),
        Row(-86_400_000_000 + 999_999, LAST, 1.0, NAN, 8, 192),
    ]
    rows += [row._replace(parameter_id=100 + row.quality % 7, value=3.25) for row in rows]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    connection = await connect_once(database_url, schema="ald")
    try:
        for day in (date(2023, 11, 14), date(1999, 1, 1), date(1969, 12, 31)):
            await connection.execute("SELECT ensure_day_partition($1)", day)
        await Session(connection, database_url).commit([], copy_payload([encode(encoder_of(rows), rows)]))
        found = [
            Row((record["timestamp"] - epoch) // timedelta(microseconds=1), *tuple(record)[1:])
            for record in await connection.fetch("SELECT * FROM process_data_points")
        ]
    finally:
        await connection.close()
    assert sorted(found, key=repr) == stored(rows)
