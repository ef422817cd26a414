"""Claims, watermark and accounting: what makes storing exactly once."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.sql.conftest import Connect

PROCESS = (1 << 62) + 1
"""An id that a float64 cannot hold."""

MINUTE = 1_700_000_040


def counted(**changes: object) -> dict[str, object]:
    """Accounting of one completed slot of 110 rows, with changes."""
    return {
        "process_id": PROCESS,
        "device": "plc",
        "interval_ms": 100,
        "minute": MINUTE,
        "outcome": "completed",
        "cause": "",
        "slots": 1,
        "rows": 110,
    } | changes


async def claim(connection: asyncpg.Connection, stream: UUID, recorder: int = 1) -> tuple[int, int]:
    """Claim a stream: its epoch and where it stands."""
    [row] = await connection.fetch("SELECT * FROM claim_stream($1, $2::int2)", stream, recorder)
    return row["epoch"], row["last_sequence"]


async def claim_number(connection: asyncpg.Connection, machine: str, host: str) -> tuple[bool, str, str]:
    """Claim recorder number 1: whether it was had, and who holds it."""
    [row] = await connection.fetch("SELECT * FROM claim_recorder(1::int2, $1, $2)", machine, host)
    return row["is_claimed"], row["holder_machine"], row["holder_host"]


async def advance(
    connection: asyncpg.Connection, stream: UUID, epoch: int, bounds: tuple[int, int], *counts: Mapping[str, object]
) -> None:
    """Move a stream and add accounting."""
    await connection.execute(
        "SELECT advance_stream($1, $2, $3, $4, $5::jsonb)", stream, epoch, *bounds, json.dumps(counts)
    )


async def minutes(connection: asyncpg.Connection) -> list[tuple[Any, ...]]:
    """All accounting that is stored."""
    rows = await connection.fetch(
        "SELECT process_id, extract(epoch FROM minute)::int8, outcome, cause, slots, rows"
        " FROM acquisition_minutes ORDER BY 1, 2, 3, 4"
    )
    return [tuple(row) for row in rows]


@pytest.fixture
async def recorder(connection: asyncpg.Connection) -> None:
    """Recorder number 1 is claimed."""
    await connection.execute("SELECT claim_recorder(1::int2, 'ald-1', 'controller-a')")


async def test_a_recorder_number_goes_to_one_machine_and_host(connection: asyncpg.Connection) -> None:
    """The holder may claim again; anyone else is told who holds it."""
    assert await claim_number(connection, "ald-1", "a") == (True, "ald-1", "a")
    before = await connection.fetchval("SELECT claimed_at FROM recorders")
    assert await claim_number(connection, "ald-1", "a") == (True, "ald-1", "a")
    assert await connection.fetchval("SELECT claimed_at FROM recorders") > before
    assert await claim_number(connection, "ald-1", "b") == (False, "ald-1", "a")
    assert await claim_number(connection, "ald-2", "a") == (False, "ald-1", "a")


async def test_two_machines_that_claim_one_number_at_once_agree_on_the_holder(connect: Connect) -> None:
    """Exactly one is told yes, and the other its name."""
    connections = [await connect() for _ in range(4)]
    answers = await asyncio.gather(*(claim_number(c, f"m{i}", "h") for i, c in enumerate(connections)))
    assert sum(is_claimed for is_claimed, _, _ in answers) == 1
    assert len({machine for _, machine, _ in answers}) == 1


async def test_each_claim_takes_the_next_epoch_of_its_recorder(connection: asyncpg.Connection, recorder: None) -> None:
    """Epochs grow over all streams of a recorder; another recorder counts for itself."""
    await connection.execute("SELECT claim_recorder(2::int2, 'ald-2', 'controller-b')")
    first, second = uuid4(), uuid4()
    assert await claim(connection, first) == (1, 0)
    assert await claim(connection, second) == (2, 0)
    assert await claim(connection, first) == (3, 0)
    assert await claim(connection, uuid4(), recorder=2) == (1, 0)


async def test_a_claim_keeps_the_watermark(connection: asyncpg.Connection, recorder: None) -> None:
    """A restart reads where its stream stands."""
    stream = uuid4()
    epoch, _ = await claim(connection, stream)
    await advance(connection, stream, epoch, (0, 17))
    assert await claim(connection, stream) == (epoch + 1, 17)


async def test_claims_at_once_get_epochs_of_their_own(connect: Connect, recorder: None) -> None:
    """Eight claims at once, on one stream and on several, never share an epoch."""
    shared = uuid4()
    connections = [await connect() for _ in range(8)]
    claims = await asyncio.gather(
        *(claim(connection, shared if i % 2 else uuid4()) for i, connection in enumerate(connections))
    )
    assert sorted(epoch for epoch, _ in claims) == list(range(1, 9))


async def test_a_claim_sees_a_transaction_still_in_flight(connect: Connect, recorder: None) -> None:
    """It waits, under lock_timeout, for the watermark that an older session is about to commit."""
    old, new = await connect(), await connect()
    stream = uuid4()
    epoch, _ = await claim(old, stream)
    await old.execute("BEGIN")
    await advance(old, stream, epoch, (0, 5))
    await new.execute("SET lock_timeout TO '100ms'")
    with pytest.raises(asyncpg.LockNotAvailableError):
        await claim(new, stream)
    await old.execute("COMMIT")
    assert await claim(new, stream) == (epoch + 1, 5)


async def test_a_stream_needs_a_claimed_recorder(connection: asyncpg.Connection) -> None:
    """Nobody writes under a number that no machine holds."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await claim(connection, uuid4())
    assert caught.value.sqlstate == "AL004"


async def test_an_advance_moves_the_watermark_and_adds_the_accounting(
    connection: asyncpg.Connection, recorder: None
) -> None:
    """Slots and rows of one minute add up over commits; ids keep all their 63 bits, as number or string."""
    stream = uuid4()
    epoch, _ = await claim(connection, stream)
    await advance(connection, stream, epoch, (0, 1), counted(), counted(outcome="failed", cause="timeout"))
    await advance(connection, stream, epoch, (1, 4), counted(process_id=str(PROCESS), slots=3, rows=330))
    assert await minutes(connection) == [
        (PROCESS, MINUTE, "completed", "", 4, 440),
        (PROCESS, MINUTE, "failed", "timeout", 1, 110),
    ]
    assert await connection.fetchval("SELECT last_sequence FROM recorder_streams") == 4


async def test_one_minute_may_stand_twice_in_one_commit(connection: asyncpg.Connection, recorder: None) -> None:
    """Entries of the same minute in one transaction are summed, not refused."""
    stream = uuid4()
    epoch, _ = await claim(connection, stream)
    await advance(connection, stream, epoch, (0, 2), counted(), counted(), counted(cause=None))
    assert await minutes(connection) == [(PROCESS, MINUTE, "completed", "", 3, 330)]


@pytest.mark.parametrize("accounting", ["[]", None])
async def test_an_advance_without_accounting_moves_the_watermark(
    connection: asyncpg.Connection, recorder: None, accounting: str | None
) -> None:
    """A transaction of events alone counts no slots."""
    stream = uuid4()
    epoch, _ = await claim(connection, stream)
    await connection.execute("SELECT advance_stream($1, $2, 0, 3, $3::jsonb)", stream, epoch, accounting)
    assert await claim(connection, stream) == (epoch + 1, 3)


async def test_an_older_epoch_is_fenced_off(connection: asyncpg.Connection, recorder: None) -> None:
    """Once a newer start has claimed the stream, the older one cannot move it: AL001, with what is there."""
    stream = uuid4()
    older, _ = await claim(connection, stream)
    newer, _ = await claim(connection, stream)
    with pytest.raises(asyncpg.PostgresError) as caught:
        await advance(connection, stream, older, (0, 1), counted())
    assert caught.value.sqlstate == "AL001"
    assert json.loads(caught.value.detail or "") == {"epoch": newer, "last_sequence": 0}
    assert await minutes(connection) == []


@pytest.mark.parametrize("bounds", [(0, 1), (4, 6), (9, 10)])
async def test_a_commit_out_of_step_is_refused(
    connection: asyncpg.Connection, recorder: None, bounds: tuple[int, int]
) -> None:
    """What was stored already, or skips something, is not stored: AL002, with the sequence that is there."""
    stream = uuid4()
    epoch, _ = await claim(connection, stream)
    await advance(connection, stream, epoch, (0, 5), counted())
    with pytest.raises(asyncpg.PostgresError) as caught:
        await advance(connection, stream, epoch, bounds, counted())
    assert caught.value.sqlstate == "AL002"
    assert json.loads(caught.value.detail or "") == {"epoch": epoch, "last_sequence": 5}
    assert await minutes(connection) == [(PROCESS, MINUTE, "completed", "", 1, 110)]


async def test_a_stream_that_the_database_does_not_know_is_refused(
    connection: asyncpg.Connection, recorder: None
) -> None:
    """A database restored from before the stream began says so: AL003."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await advance(connection, uuid4(), 1, (0, 1))
    assert caught.value.sqlstate == "AL003"


@pytest.mark.parametrize("bounds", [(0, 0), (0, -1)])
async def test_a_watermark_never_stands_still_or_goes_back(
    connection: asyncpg.Connection, recorder: None, bounds: tuple[int, int]
) -> None:
    """A commit that moves nothing could be repeated unnoticed."""
    stream = uuid4()
    epoch, _ = await claim(connection, stream)
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await advance(connection, stream, epoch, bounds)


async def test_of_two_equal_commits_at_once_one_is_stored(connect: Connect, recorder: None) -> None:
    """The same step tried by two sessions counts once."""
    first, second = await connect(), await connect()
    stream = uuid4()
    epoch, _ = await claim(first, stream)
    outcomes = await asyncio.gather(
        *(advance(connection, stream, epoch, (0, 1), counted()) for connection in (first, second)),
        return_exceptions=True,
    )
    assert [getattr(outcome, "sqlstate", None) for outcome in outcomes if outcome is not None] == ["AL002"]
    assert await minutes(first) == [(PROCESS, MINUTE, "completed", "", 1, 110)]
