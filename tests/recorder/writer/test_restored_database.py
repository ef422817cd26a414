"""A database that is older than it was, or empty: what it lost is found, recorded and where possible sent again."""

from pathlib import Path

from recorder.spool.entry import Entry, EntryKind
from recorder.spool.spool import Spool
from recorder.writer.writer import WriterState
from tests.recorder.entries import NOON_US, PROCESS, points
from tests.recorder.writing import desk, events


async def test_a_database_put_back_from_a_backup_is_recorded_with_what_it_lost(
    tmp_path: Path, database_url: str
) -> None:
    """Its watermark is behind what it once confirmed: an event names the range, and recording goes on behind it."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.spool.append([points(0), points(1)])
        await d.drained()
        await d.spool.append([points(number) for number in range(2, 6)])
        await d.drained()
        await d.sql.execute("DELETE FROM process_data_points WHERE value >= 2")
        await d.sql.execute("UPDATE recorder_streams SET last_sequence = 2")
        await d.spool.append([points(6)])
        await d.drained()
        assert await d.values() == [0, 1, 6]
        assert await events(d) == [
            (
                "database_restored",
                {
                    "stream_id": str(d.spool.stream_id),
                    "lost_after_sequence": 2,
                    "lost_to_sequence": 6,
                    "confirmed_to_sequence": 6,
                },
            )
        ]
        assert await d.watermark() == 7


async def test_entries_that_a_restored_database_lost_are_sent_again_where_the_file_still_has_them(
    tmp_path: Path, database_url: str
) -> None:
    """Acknowledged entries leave the file with the next append; the event names what is really gone."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.spool.append([points(0), points(1)])
        await d.drained()
        await d.spool.append([points(number) for number in range(2, 6)])
        await d.drained()
        await d.stop()
        await d.sql.execute("DELETE FROM process_data_points WHERE value >= 1")
        await d.sql.execute("UPDATE recorder_streams SET last_sequence = 1")
        d.start()
        await d.until(lambda: d.writer.epoch == 2)
        await d.spool.append([points(6)])
        await d.drained()
        assert await d.values() == [0, 2, 3, 4, 5, 6]
        assert await events(d) == [
            (
                "database_restored",
                {
                    "stream_id": str(d.spool.stream_id),
                    "lost_after_sequence": 1,
                    "lost_to_sequence": 2,
                    "confirmed_to_sequence": 6,
                },
            )
        ]
        assert await d.watermark() == 7


async def test_what_is_kept_of_confirmed_entries_is_sent_again_to_a_restored_database(
    tmp_path: Path, database_url: str
) -> None:
    """With room for them nothing is lost: not by an older backup, and not by a crash of the recorder in between."""
    path = tmp_path / "kept.sqlite3"
    async with (
        Spool(path, max_bytes=10**8, keep_bytes=10**7) as spool,
        desk(tmp_path, database_url, spool=spool) as d,
    ):
        d.start()
        for number in range(20):
            await spool.append([points(number)])
            await d.drained()
        assert spool.depth.entries == 0
    async with (
        Spool(path, max_bytes=10**8, keep_bytes=10**7) as spool,
        desk(tmp_path, database_url, spool=spool) as d,
    ):
        await d.sql.execute("DELETE FROM process_data_points WHERE value >= 3")
        await d.sql.execute("UPDATE recorder_streams SET last_sequence = 3")
        await spool.append([points(20)])
        d.start()
        await d.drained()
        assert await d.values() == list(range(21))
        assert await d.watermark() == spool.acknowledged == 21
        [(kind, detail)] = await events(d)
        assert kind == "database_restored"
        assert (detail["lost_after_sequence"], detail["lost_to_sequence"], detail["confirmed_to_sequence"]) == (
            3,
            3,
            20,
        )


async def test_a_database_that_was_emptied_is_claimed_again(tmp_path: Path, database_url: str) -> None:
    """It knows neither stream nor recorder any more (AL003): a fresh claim, an event, and recording goes on."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.spool.append([points(0), points(1)])
        await d.drained()
        await d.sql.execute(
            "TRUNCATE recorder_streams, recorders, process_data_points, acquisition_minutes, recorder_events"
        )
        await d.spool.append([points(2)])
        await d.drained()
        assert await d.values() == [2]
        assert [kind for kind, _ in await events(d)] == ["database_restored"]
        assert await d.sql.fetchval("SELECT machine FROM recorders") == "tool"
        assert d.writer.state is WriterState.WRITING


async def test_a_schema_that_is_not_there_is_waited_for(tmp_path: Path, database_url: str) -> None:
    """A database that nobody migrated refuses every statement; the spool holds all."""
    async with desk(tmp_path, database_url) as d:
        await d.sql.execute("ALTER SCHEMA ald RENAME TO hidden")
        d.start()
        await d.spool.append([points(0)])
        await d.away()
        assert d.writer.last_error is not None
        assert d.writer.last_error.endswith("run: ald-recorder database migrate")
        await d.sql.execute("ALTER SCHEMA hidden RENAME TO ald")
        await d.drained()
        assert await d.values() == [0]


async def test_a_run_that_the_database_lost_can_still_end(tmp_path: Path, database_url: str) -> None:
    """After a restored backup the end of an unknown run changes nothing and stops nothing."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        header = {"event": "run_ended", "process_id": PROCESS, "status": "completed", "ended_us": NOON_US}
        await d.spool.append([Entry(kind=EntryKind.PROCESS, header=header), points(0)])
        await d.drained()
        assert await d.values() == [0]
