"""An independent reader of PostgreSQL's binary COPY format, written from its documentation (COPY, "Binary Format")."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"PGCOPY\n\xff\r\n\0"


class Row(NamedTuple):
    """One point, as the table has its columns."""

    timestamp_us: int
    process_id: int
    value: float | None
    set_value: float | None
    parameter_id: int
    quality: int


def read_payload(payload: bytes) -> list[Row]:
    """Read a whole file: signature, flags, header extension, tuples, trailer."""
    assert payload.startswith(SIGNATURE)
    flags, extension = struct.unpack_from(">iI", payload, len(SIGNATURE))
    assert (flags, extension) == (0, 0)
    assert payload.endswith(b"\xff\xff")
    return list(read_rows(payload[len(SIGNATURE) + 8 : -2]))


def read_rows(rows: bytes) -> Iterator[Row]:
    """Read tuples: a field count, then each field as its length and its bytes; length -1 is NULL."""
    at = 0
    while at < len(rows):
        (count,) = struct.unpack_from(">h", rows, at)
        assert count == 6
        at += 2
        fields: list[bytes | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", rows, at)
            at += 4
            fields.append(None if length < 0 else rows[at : at + length])
            at += max(0, length)
        timestamp, process, value, set_value, parameter, quality = fields
        assert timestamp is not None
        assert process is not None
        assert parameter is not None
        assert quality is not None
        yield Row(
            timestamp_us=struct.unpack(">q", timestamp)[0] + 946_684_800_000_000,
            process_id=struct.unpack(">q", process)[0],
            value=None if value is None else struct.unpack(">d", value)[0],
            set_value=None if set_value is None else struct.unpack(">d", set_value)[0],
            parameter_id=struct.unpack(">i", parameter)[0],
            quality=struct.unpack(">h", quality)[0],
        )
