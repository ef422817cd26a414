"""A spool that is older than what the database has of it: a restored copy of the controller, or a disk that lied.

Its new entries bear numbers that the database has already seen; taken by their numbers they would be dropped as done.
"""

import shutil
from pathlib import Path

import pytest

from recorder.spool.file import connect
from recorder.spool.spool import Spool
from tests.recorder.entries import points
from tests.recorder.writing import Desk, desk, events

ROOMY = 10**8
REFUSED = "CREATE TEMP TRIGGER refused BEFORE DELETE ON main.spool BEGIN SELECT RAISE(FAIL, 'full'); END"


def copy_of(path: Path, to: Path) -> None:
    """The files as they lie there now."""
    for suffix in ("", "-wal"):
        part = Path(f"{path}{suffix}")
        Path(f"{to}{suffix}").unlink(missing_ok=True)
        if part.exists():
            shutil.copy(part, f"{to}{suffix}")
    Path(f"{to}-shm").unlink(missing_ok=True)


async def record(d: Desk, *numbers: int) -> None:
    """Spool entries and wait until the database has them."""
    await d.spool.append([points(number) for number in numbers])
    await d.drained()


@pytest.mark.parametrize("keep_bytes", [0, ROOMY // 8])
@pytest.mark.parametrize("starts_without_database", [0, 1, 2])
async def test_what_comes_after_a_spool_was_put_back_is_stored_once(
    tmp_path: Path, database_url: str, keep_bytes: int, starts_without_database: int
) -> None:
    """All of it, however often the recorder was started before the database was there; and the database says so."""
    path, older = tmp_path / "spool.sqlite3", tmp_path / "older.sqlite3"

    def spool() -> Spool:
        return Spool(path, max_bytes=ROOMY, keep_bytes=keep_bytes)

    async with spool() as opened, desk(tmp_path, database_url, spool=opened) as d:
        d.start()
        await record(d, 0, 1)
        copy_of(path, older)
        await record(d, 2, 3, 4, 5)
        stream = str(d.spool.stream_id)
    copy_of(older, path)
    number = 6
    for _ in range(starts_without_database):
        async with spool() as opened:
            await opened.append([points(number)])
            number += 1
    async with spool() as opened, desk(tmp_path, database_url, spool=opened) as d:
        # fewer than the database has, then more: neither may be taken for what it has already
        await d.spool.append([points(number)])
        d.start()
        await d.drained()
        await record(d, *range(number + 1, number + 8))
        assert await d.values() == list(range(number + 8))
        successor = str(d.spool.stream_id)
        assert successor != stream
        told = {
            "stream_id": stream,
            "successor": successor,
            "file_to_sequence": 2,
            "database_to_sequence": 6,
        }
        assert await events(d) == [("spool_put_back", told)]
    async with spool() as opened, desk(tmp_path, database_url, spool=opened) as d:
        d.start()
        await record(d, number + 8)
        assert await d.values() == list(range(number + 9))
        assert (str(d.spool.stream_id), len(await events(d))) == (successor, 1)


async def test_a_database_that_took_what_it_could_not_confirm_is_no_spool_put_back(
    tmp_path: Path, database_url: str
) -> None:
    """After any crash the database may have more than was confirmed, and never more than the file had."""
    path = tmp_path / "spool.sqlite3"
    async with Spool(path, max_bytes=ROOMY) as opened, desk(tmp_path, database_url, spool=opened) as d:
        d.start()
        await record(d, 0, 1)
    for number in (2, 4):
        async with Spool(path, max_bytes=ROOMY) as opened:  # the database is away for a whole life
            await opened.append([points(number), points(number + 1)])
    async with Spool(path, max_bytes=ROOMY) as opened, desk(tmp_path, database_url, spool=opened) as d:
        d.start()
        await d.drained()
        stream = d.spool.stream_id
        crashed = tmp_path / "crashed.sqlite3"
        copy_of(path, crashed)  # committed, and not confirmed in the file yet
    async with Spool(crashed, max_bytes=ROOMY) as opened, desk(tmp_path, database_url, spool=opened) as d:
        d.start()
        await record(d, 6)
        assert await d.values() == list(range(7))
        assert (d.spool.stream_id, await events(d)) == (stream, [])


async def test_an_older_release_in_between_is_no_spool_put_back(tmp_path: Path, database_url: str) -> None:
    """It claims and commits without a word about it in the file."""
    path = tmp_path / "spool.sqlite3"
    async with Spool(path, max_bytes=ROOMY) as opened:
        await opened.append([points(0)])
    with connect(path) as file:
        [before] = file.execute("SELECT value FROM spool WHERE key = 'unclaimed_from'").fetchone()
    async with Spool(path, max_bytes=ROOMY) as opened, desk(tmp_path, database_url, spool=opened) as d:
        d.start()
        await record(d, 1)
        stream = d.spool.stream_id
    with connect(path) as file:  # as it was left, since the older release does not know it
        file.execute("INSERT OR REPLACE INTO spool VALUES ('unclaimed_from', ?)", (before,))
        file.commit()
    async with Spool(path, max_bytes=ROOMY) as opened, desk(tmp_path, database_url, spool=opened) as d:
        d.start()
        await record(d, 2)
        assert await d.values() == [0, 1, 2]
        assert (d.spool.stream_id, await events(d)) == (stream, [])


async def test_nothing_is_committed_before_the_claim_is_kept(tmp_path: Path, database_url: str) -> None:
    """Or the next start would take its own entries for those of another copy; a disk that refuses is tried again."""
    path = tmp_path / "spool.sqlite3"
    async with Spool(path, max_bytes=ROOMY) as opened, desk(tmp_path, database_url, spool=opened) as d:
        await d.spool.append([points(0)])
        opened._store._writer.execute(
            "CREATE TEMP TRIGGER refused BEFORE DELETE ON main.spool BEGIN SELECT RAISE(FAIL, 'full'); END"
        )
        d.start()
        await d.until(lambda: d.writer.last_error is not None)
        assert "cannot be written: full" in (d.writer.last_error or "")
        assert await d.values() == []
        opened._store._writer.execute("DROP TRIGGER refused")
        await d.drained()
        assert await d.values() == [0]
    with connect(path) as file:
        assert file.execute("SELECT value FROM spool WHERE key = 'unclaimed_from'").fetchone() is None
