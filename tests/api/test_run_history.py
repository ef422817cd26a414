"""The history from a real PostgreSQL through its caches, and the notices that empty them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from recorder.api.errors import NotFoundError
from recorder.api.run_cursor import MOST_ID, RunCursor
from recorder.api.run_history import RunHistory, RunQuestion
from recorder.api.run_listener import run_notices
from recorder.cli.fault_lab.proxy import Proxy
from recorder.database import Database, DatabaseSettings, connect_once
from recorder.database.notices import Hearing
from tests.api.histories import LONG_RUN, MACHINE, OPEN_RUN, OTHER_RUN, RUNS, fill

END = datetime(9999, 1, 1, tzinfo=UTC)
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
NEWEST = RunCursor(started_at=END, run=MOST_ID)


def question(**fields: Any) -> RunQuestion:
    """The newest runs of all but idle times, unless said otherwise."""
    plain: dict[str, Any] = {
        "limit": 20,
        "after": NEWEST,
        "kinds": ("manual", "recipe"),
        "statuses": None,
        "recipe": None,
        "search": None,
        "begun_from": BEGINNING,
        "begun_before": END,
    }
    return RunQuestion(**{**plain, **fields})


async def until(is_so: Callable[[], bool]) -> None:
    """Let the others run until something is so."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  (what is waited for tells nobody)
            await asyncio.sleep(0.005)


class Bench:
    """A history that hears of changes through a proxy, and a connection that makes them."""

    def __init__(self, history: RunHistory, database: Database, proxy: Proxy, connection: asyncpg.Connection) -> None:
        self.history = history
        self.database = database
        self.proxy = proxy
        self.connection = connection
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        hearing = Hearing(
            dsn=proxy.url,
            schema="ald",
            machine=MACHINE,
            application_name="test",
            check_every_s=0.2,
            check_within_s=2.0,
            sleep=self._pause,
        )
        self.listener = run_notices(history, hearing)

    async def _pause(self, _seconds: float) -> None:
        await self.goes_on.wait()
        await asyncio.sleep(0.01)

    async def page(self, **fields: Any) -> dict[str, Any]:
        """A page as a client reads it."""
        found: dict[str, Any] = json.loads((await self.history.page(question(**fields))).body)
        return found

    async def ids(self, **fields: Any) -> list[int]:
        """The runs of a page."""
        return [run["id"] for run in (await self.page(**fields))["runs"]]

    def asked(self, query: str) -> int:
        """How often a statement was run."""
        figures = self.database.times.picture().get(query)
        return 0 if figures is None else sum(figures["counts"])

    async def until_note(self, run: int, note: str) -> None:
        """Wait until a run is told of with this note."""
        async with asyncio.timeout(20):
            while json.loads((await self.history.document(run)).body)["note"] != note:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
async def bench(database_url: str, short_directory: Path) -> AsyncIterator[Bench]:
    """Listening."""
    connection = await connect_once(database_url, schema="ald")
    await fill(connection)
    settings = DatabaseSettings(dsn=database_url, pool_min=1, pool_max=3, read_only=True)
    async with Proxy(database_url, short_directory).listening() as between, Database(settings) as database:
        made = Bench(RunHistory(database, MACHINE), database, between, connection)
        task = asyncio.create_task(made.listener.run())
        try:
            await until(lambda: made.history.is_heard)
            yield made
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await connection.close()


async def test_pages_follow_on_one_another_to_the_end_and_miss_nothing(bench: Bench) -> None:
    """Newest first, each run once, although some began at one moment."""
    ids: list[int] = []
    after, pages = NEWEST, 0
    while True:
        page = await bench.page(limit=7, after=after, kinds=("idle", "manual", "recipe"))
        ids += [run["id"] for run in page["runs"]]
        pages += 1
        if page["next"] is None:
            break
        after = RunCursor.decode(page["next"])
    assert ids == [OPEN_RUN, LONG_RUN, *range(RUNS, 0, -1)]
    assert pages == 9


async def test_runs_are_filtered_by_kind_status_recipe_text_and_time(bench: Bench) -> None:
    """Of this machine alone; idle times are left out unless they are asked for."""
    everything = [OPEN_RUN, LONG_RUN, *(n for n in range(RUNS, 0, -1) if n % 10)]
    assert await bench.ids(limit=200) == everything
    assert await bench.ids(kinds=("idle",)) == [60, 50, 40, 30, 20, 10]
    assert await bench.ids(statuses=("aborted",)) == [56, 49, 42, 35, 28, 21, 14, 7]
    assert await bench.ids(statuses=("running", "aborted"), limit=1) == [OPEN_RUN]
    assert await bench.ids(recipe="HfO2") == [LONG_RUN]
    assert await bench.ids(search="lot5") == [59, 58, 57, 56, 55, 54, 53, 52, 51, 5]
    for nothing in ("%", "'; --", "\\", "x" * 200):
        assert await bench.ids(search=nothing) == []
    minute = datetime(2026, 11, 1, 0, 10, tzinfo=UTC)
    assert await bench.ids(begun_from=minute, begun_before=minute.replace(minute=11)) == [21]


async def test_a_run_is_told_with_its_steps_values_audit_and_summaries(bench: Bench) -> None:
    """In one document; of this machine alone."""
    run = json.loads((await bench.history.document(LONG_RUN)).body)
    assert (run["machine"], run["status"], run["audit_verdict"]) == (MACHINE, "completed", "balances")
    assert run["started_at"] == "2026-11-01T02:00:00Z"
    assert [step["number"] for step in run["steps"]] == [1, 2, 3, 4, 5]
    assert {value["parameter_id"] for value in run["last_values"]} == {1, 2, 3}
    [summary] = run["summaries"]
    assert (summary["step"], summary["mean"], summary["deviation"]) == (None, 2.0, 1.0)
    by_step = json.loads((await bench.history.summaries(LONG_RUN)).body)["summaries"]
    assert [(one["step"], one["mean"], one["points"]) for one in by_step] == [(None, 2.0, 3), (1, None, 1)]
    for stranger in (OTHER_RUN, 4711, MOST_ID):
        for ask in (bench.history.document, bench.history.summaries, bench.history.head):
            with pytest.raises(NotFoundError, match=str(stranger)):
                await ask(stranger)


async def test_what_was_asked_for_is_not_asked_for_again(bench: Bench) -> None:
    """Pages, documents and summaries, each in its cache; whoever asks at one time asks once."""
    for _ in range(3):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(bench.history.page(question()))
                tasks.create_task(bench.history.document(LONG_RUN))
                tasks.create_task(bench.history.summaries(LONG_RUN))
    assert [bench.asked(query) for query in ("api_runs", "api_run", "api_run_head")] == [1, 1, 1]
    assert [(cache.name, cache.hits, cache.misses) for cache in bench.history.caches] == [
        ("run_list", 29, 1),
        ("run", 29, 1),
        ("summaries", 29, 1),
    ]


async def test_a_run_that_changes_is_told_anew_at_once_and_the_others_stay(bench: Bench) -> None:
    """A notice drops one run and all pages."""
    await bench.history.document(LONG_RUN)
    await bench.history.document(5)
    before = await bench.history.page(question())
    await bench.connection.execute("UPDATE process_runs SET note = 'seen' WHERE id = $1", LONG_RUN)
    await bench.until_note(LONG_RUN, "seen")
    asked = bench.asked("api_run")
    await bench.history.document(5)
    assert bench.asked("api_run") == asked
    assert (await bench.history.page(question())).etag != before.etag


async def test_a_new_run_is_in_the_list_at_once(bench: Bench) -> None:
    """Nobody waits five minutes for it."""
    assert (await bench.ids(limit=1)) == [OPEN_RUN]
    await bench.connection.execute(
        "INSERT INTO process_runs (id, machine_id, kind, started_at) VALUES (100, 1, 'recipe', now())"
    )
    async with asyncio.timeout(20):
        while await bench.ids(limit=1) != [100]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_note_on_a_run_that_is_over_is_shown_at_once(bench: Bench) -> None:
    """The document of a closed run is kept for an hour; of the notes it tells who wrote each, and when."""
    write = (
        "INSERT INTO recorder_events (recorder, occurred_at, kind, process_id, detail)"
        " VALUES (0, $1, 'run_note', $2, jsonb_build_object('by', 'Ada', 'text', $3::text))"
    )
    noon = datetime(2026, 11, 2, 12, tzinfo=UTC)
    assert json.loads((await bench.history.document(LONG_RUN)).body)["notes"] == []
    await bench.connection.execute(write, noon.replace(hour=13), LONG_RUN, "still hot")
    await bench.connection.execute(write, noon, LONG_RUN, "valve 3 is slow")
    expected = [
        {"at": "2026-11-02T12:00:00Z", "by": "Ada", "text": "valve 3 is slow"},
        {"at": "2026-11-02T13:00:00Z", "by": "Ada", "text": "still hot"},
    ]
    async with asyncio.timeout(20):
        while json.loads((await bench.history.document(LONG_RUN)).body)["notes"] != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_another_machines_runs_are_no_news(bench: Bench) -> None:
    """Nor are notices that are none of ours."""
    await bench.history.document(LONG_RUN)
    await bench.connection.execute("UPDATE process_runs SET note = 'x' WHERE id = $1", OTHER_RUN)
    await bench.connection.execute("UPDATE process_runs SET note = 'x' WHERE id = 5")
    await bench.until_note(5, "x")
    assert bench.asked("api_run") >= 2
    hits = bench.history.caches[1].hits
    await bench.history.document(LONG_RUN)
    assert bench.history.caches[1].hits == hits + 1


async def test_rubbish_on_the_channel_costs_the_caches_and_nothing_else(bench: Bench) -> None:
    """What cannot be understood may have been anything."""
    for rubbish in ("rubbish", "[]", '{"schema": "ald"}', '{"schema": "ald", "machine": "ALD tool", "runs": ["x"]}'):
        await bench.history.document(LONG_RUN)
        asked = bench.asked("api_run")
        await bench.connection.execute("SELECT pg_notify('ald_runs', $1)", rubbish)
        await until(lambda: not any(len(cache) for cache in bench.history.caches))
        await bench.history.document(LONG_RUN)
        assert bench.asked("api_run") == asked + 1


async def test_a_change_that_was_made_while_nobody_listened_is_known_after_the_gap(bench: Bench) -> None:
    """With the listener everything is dropped that it vouched for, and once more when it is back."""
    await bench.history.document(LONG_RUN)
    bench.goes_on.clear()
    bench.proxy.cut()
    await until(lambda: not bench.history.is_heard)
    assert not any(len(cache) for cache in bench.history.caches)
    await bench.history.document(LONG_RUN)
    await bench.connection.execute("UPDATE process_runs SET note = 'in the gap' WHERE id = $1", LONG_RUN)
    bench.goes_on.set()
    await bench.until_note(LONG_RUN, "in the gap")


async def test_the_same_content_has_the_same_etag_and_a_run_that_goes_on_has_no_version(bench: Bench) -> None:
    """Also when it was made anew."""
    before = await bench.history.document(LONG_RUN)
    bench.history.forget()
    again = await bench.history.document(LONG_RUN)
    assert again is not before
    assert again.etag == before.etag
    assert (await bench.history.head(LONG_RUN)).version is not None
    assert (await bench.history.head(OPEN_RUN)).version is None
    assert (await bench.history.document(OPEN_RUN)).ttl_s == 30.0
    assert before.ttl_s == 3600.0
    assert (await bench.history.page(question())).ttl_s == 30.0
    assert (await bench.history.page(question(recipe="HfO2"))).ttl_s == 300.0
