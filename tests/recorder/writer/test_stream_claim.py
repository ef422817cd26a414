"""Who may write a stream: one recorder, of one machine, on one spool."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from recorder.database import connect_once
from recorder.writer.writer import WriterState
from tests.recorder.entries import points
from tests.recorder.writing import WAITING, assert_stored_once, desk


async def test_a_second_writer_of_the_stream_fences_the_first(tmp_path: Path, database_url: str) -> None:
    """The first stops for good, stores nothing any more, and its spool takes entries all the same."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(desk(tmp_path, database_url))
        first.start()
        await first.spool.append([points(0)])
        await first.drained()
        second = await stack.enter_async_context(desk(tmp_path, database_url, spool=first.spool))
        second.start()
        await second.until(lambda: second.writer.state is WriterState.WRITING)
        await first.spool.append([points(1)])
        assert first.task is not None
        await asyncio.wait([first.task], timeout=10)
        assert first.task.done()
        assert first.task.exception() is None
        assert first.writer.state is WriterState.FENCED
        assert first.writer.last_error is not None
        assert "fenced off" in first.writer.last_error
        await second.drained()
        await assert_stored_once(second, 2)
        assert await first.spool.append([points(2)]) == 3
        await second.drained()


async def test_a_number_that_another_machine_holds_is_said_and_spooling_goes_on(
    tmp_path: Path, database_url: str
) -> None:
    """One line names the holder and what to change; once the number is free it is taken."""
    async with desk(tmp_path, database_url, machine="tool B") as d:
        await d.sql.execute("SELECT claim_recorder(1::int2, 'tool A', 'host-a')")
        d.start()
        await d.spool.append([points(0)])
        await d.away()
        assert d.writer.last_error == (
            "recorder number 1 belongs to machine 'tool A' on host host-a; "
            "give this one another [recorder] number; spooling goes on"
        )
        assert await d.spool.append([points(1)]) == 2
        assert await d.values() == []
        await d.sql.execute("DELETE FROM recorders")
        await d.drained()
        await assert_stored_once(d, 2)


async def test_a_spool_put_back_from_an_older_copy_is_not_written_over_what_is_there(
    tmp_path: Path, database_url: str
) -> None:
    """The database is ahead of the file: sequences would be used twice, so nothing is written, and a line says why."""
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0)])
        d.start()
        await d.drained()
        await d.stop()
        await d.sql.execute("UPDATE recorder_streams SET last_sequence = 40")
        d.start()
        await d.spool.append([points(1)])
        await d.until(lambda: "older copy" in (d.writer.last_error or ""))
        assert d.writer.state is WriterState.AWAY
        assert await d.values() == [0]
        assert await d.watermark() == 40


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
async def test_a_claim_waits_for_a_transaction_that_is_still_in_flight(
    tmp_path: Path, database_url: str, end: str
) -> None:
    """What an older session is about to commit is seen, and not sent again; what it takes back is."""
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0)])
        d.start()
        await d.drained()
        await d.stop()
        await d.spool.append([points(1)])
        stale = await connect_once(database_url, schema="ald")
        try:
            await stale.execute("BEGIN")
            await stale.execute("SELECT advance_stream($1, $2, 1, 2, '[]')", d.spool.stream_id, d.writer.epoch)
            d.start()
            async with asyncio.timeout(10):
                while not await d.sql.fetchval(WAITING):
                    pass
            await stale.execute(end)
        finally:
            await stale.close()
        await d.drained()
        assert await d.values() == ([0] if end == "COMMIT" else [0, 1]), "the stale session moved over entry 2"
        assert await d.watermark() == 2
