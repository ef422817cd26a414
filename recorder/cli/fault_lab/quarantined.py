"""What PostgreSQL refused for its content, taken out of quarantine by arithmetic of the lab's own."""

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recorder.database import single_session

_POSTGRES_EPOCH_US: Final = 946_684_800_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantine:
    """What is kept there.

    Attributes:
        points: rows as `lab_points` gives those that are stored.
        kinds: how many refusals of each kind.
        unnamed: refusals without a reason.
    """

    points: Sequence[Mapping[str, Any]]
    kinds: Mapping[str, int]
    unnamed: int


async def read_quarantine(dsn: str, schema: str) -> Quarantine:
    """Read all of it."""
    async with single_session(dsn, schema) as session:
        rows = await session.fetch("lab_quarantine")
    return Quarantine(
        points=[point for row in rows for point in _points(row["content"])],
        kinds=Counter(row["kind"] for row in rows),
        unnamed=sum(not row["error"] for row in rows),
    )


def _points(content: bytes) -> Iterator[Mapping[str, Any]]:
    """Rows of PostgreSQL's binary COPY format, six fields each: PostgreSQL documentation, COPY, "Binary Format"."""
    at = 0
    while at < len(content):
        (count,) = struct.unpack_from(">h", content, at)
        at += 2
        fields: list[bytes | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", content, at)
            at += 4
            fields.append(None if length < 0 else content[at : at + length])
            at += max(0, length)
        moment, process, value, _, parameter, quality = fields
        yield {
            "timestamp_us": int.from_bytes(moment or b"", signed=True) + _POSTGRES_EPOCH_US,
            "process_id": int.from_bytes(process or b"", signed=True),
            "value": None if value is None else struct.unpack(">d", value)[0],
            "parameter_id": int.from_bytes(parameter or b"", signed=True),
            "quality": int.from_bytes(quality or b"", signed=True),
        }
