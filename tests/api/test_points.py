"""Downloads of points: streamed from a real PostgreSQL, bounded in memory, and gone when their client is."""

import asyncio
import csv
import gzip
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.types import Message

from recorder.api.errors import NotFoundError, TooBusyError
from recorder.api.points import PointFormat
from recorder.api.points_response import COMPRESSED_ABOVE, PointsResponse
from recorder.api.run_history import RunHistory
from recorder.api.run_points import Download, PointsQuestion, RunPoints
from recorder.database import Database, DatabaseSettings, connect_once
from recorder.errors import DatabaseUnreachableError
from tests.api.histories import LONG_POINTS, LONG_RUN, MACHINE, OPEN_RUN, fill

BATCH_ROWS = 500
MOST = 2


@dataclass(kw_only=True)
class Client:
    """One request as ASGI has it, answered without a server.

    Attributes:
        takes: set as long as the client takes in what is sent.
        goes: set when it goes away.
        first: set once the first part of the body has come.
    """

    sent: list[Message] = field(default_factory=list)
    takes: asyncio.Event = field(default_factory=asyncio.Event)
    goes: asyncio.Event = field(default_factory=asyncio.Event)
    first: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.takes.set()

    async def receive(self) -> Message:
        """Nothing more than that it is gone."""
        await self.goes.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take in a message, as soon as it takes anything."""
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self.first.set()
        await self.takes.wait()

    async def get(self, response: PointsResponse) -> None:
        """Let it be answered."""
        await response({"type": "http", "path": "/points"}, self.receive, self.send)

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        """All of it, as it was sent."""
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def is_whole(self) -> bool:
        """Whether the answer came to its end."""
        return self.sent[-1]["type"] == "http.response.body" and not self.sent[-1].get("more_body")


class Bench:
    """Downloads in small batches, which are counted."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.history = RunHistory(database, MACHINE)
        self.batches: list[int] = []
        self.points = RunPoints(database, MACHINE, most=MOST, batch_rows=BATCH_ROWS, on_batch=self.batches.append)

    async def prepare(self, run: int = LONG_RUN, **fields: Any) -> Download:
        """What is asked for."""
        plain: dict[str, Any] = {"form": PointFormat.CSV, "parameters": (), "earliest": None, "latest": None}
        return await self.points.prepare(await self.history.head(run), PointsQuestion(**{**plain, **fields}))

    def response(self, download: Download, *, may_compress: bool = False) -> PointsResponse:
        """As the route makes it."""
        return PointsResponse(
            lambda: self.points.chunks(download),
            media_type=download.form.media_type,
            headers={},
            may_compress=may_compress,
        )

    async def rows(self, run: int = LONG_RUN, **fields: Any) -> list[dict[str, str]]:
        """All points as somebody reads them who opens the file."""
        client = Client()
        await client.get(self.response(await self.prepare(run, **fields)))
        assert client.is_whole
        return list(csv.DictReader(io.StringIO(client.body.decode(), newline="")))

    @property
    def lent(self) -> int:
        """Connections that somebody holds."""
        size, idle = self.database.size
        return size - idle


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    """A run of 12,000 points, another of ten."""
    connection = await connect_once(database_url, schema="ald")
    await fill(connection)
    await connection.close()
    async with Database(DatabaseSettings(dsn=database_url, pool_min=1, pool_max=3, read_only=True)) as database:
        yield Bench(database)


async def test_a_run_comes_whole_in_order_of_time_and_a_batch_at_a_time(bench: Bench) -> None:
    """No more than one batch is in memory, however long the run is: it is counted, not believed."""
    rows = await bench.rows()
    assert len(rows) == LONG_POINTS
    assert bench.batches == [BATCH_ROWS] * (LONG_POINTS // BATCH_ROWS)
    times = [row["timestamp"] for row in rows]
    assert times == sorted(times)
    assert times[0] == "2026-11-01T02:00:00.000001Z"
    assert rows[0]["value"] == ""
    assert (rows[0]["quality"], rows[0]["quality_code"]) == ("communication_failure", "24")
    assert (rows[1]["parameter"], rows[1]["value"], rows[1]["set_value"]) == ('temperature, "inner"', "0.125", "120.5")
    assert bench.lent == 0


async def test_nothing_is_read_ahead_of_a_client_that_is_slow(bench: Bench) -> None:
    """The next batch is asked for when the one before was taken in."""
    client = Client()
    client.takes.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client.get(bench.response(await bench.prepare())))
        while not client.sent:  # noqa: ASYNC110  (it tells nobody)
            await asyncio.sleep(0.005)
        assert len(bench.batches) == 1
        client.takes.set()
    assert client.is_whole
    assert len(bench.batches) == LONG_POINTS // BATCH_ROWS


async def test_points_are_filtered_by_parameter_and_time(bench: Bench) -> None:
    """By full name or id, in any order; bounds belong to what they bound."""
    assert {row["parameter_id"] for row in await bench.rows(parameters=("Process/flow", "1"))} == {"1", "3"}
    moment = datetime(2026, 11, 1, 2, 0, 10, 1, tzinfo=UTC)
    assert len(await bench.rows(parameters=("1",), earliest=moment)) == LONG_POINTS // 3 - 100
    assert len(await bench.rows(parameters=("1",), latest=moment)) == 101
    assert [row["value"] for row in await bench.rows(earliest=moment, latest=moment)] == ["", "37.625", "37.75"]
    assert await bench.rows(earliest=moment, latest=moment.replace(hour=1)) == []
    for stranger in ("4", "Process/none", "pressure", "x" * 1000, ""):
        with pytest.raises(NotFoundError, match="there is none"):
            await bench.prepare(parameters=(stranger,))


async def test_a_run_that_goes_on_is_told_up_to_now(bench: Bench) -> None:
    """As NDJSON too."""
    assert [row["value"] for row in await bench.rows(OPEN_RUN)] == [f"{n}.0" for n in range(10)]
    client = Client()
    await client.get(bench.response(await bench.prepare(OPEN_RUN, form=PointFormat.NDJSON)))
    lines = [json.loads(line) for line in client.body.splitlines()]
    assert [line["value"] for line in lines] == list(range(10))
    assert client.headers["content-type"].startswith("application/x-ndjson")


async def test_what_is_large_is_compressed_for_who_takes_it(bench: Bench) -> None:
    """Above 10 kB; below it the length is told instead."""
    plain, packed, small = Client(), Client(), Client()
    await plain.get(bench.response(await bench.prepare()))
    await packed.get(bench.response(await bench.prepare(), may_compress=True))
    await small.get(bench.response(await bench.prepare(OPEN_RUN), may_compress=True))
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 5
    assert int(small.headers["content-length"]) == len(small.body) < COMPRESSED_ABOVE
    assert "content-encoding" not in small.headers


@pytest.mark.parametrize("is_stuck", [False, True])
async def test_a_client_that_goes_away_leaves_no_connection_in_use(bench: Bench, is_stuck: bool) -> None:
    """Whether it took in what came, or had stopped to."""
    client = Client()
    client.takes.clear()
    async with asyncio.TaskGroup() as tasks:
        getting = tasks.create_task(client.get(bench.response(await bench.prepare())))
        while not client.sent:  # noqa: ASYNC110  (it tells nobody)
            await asyncio.sleep(0.005)
        assert bench.lent == 1
        if not is_stuck:
            client.takes.set()
            await client.first.wait()
        client.goes.set()
        await getting
        assert bench.lent == 0
        assert bench.points.under_way == 0
    assert not client.is_whole
    assert await bench.database.read("server_version")


async def test_a_request_that_is_cancelled_leaves_no_connection_in_use(bench: Bench) -> None:
    """The server ends."""
    client = Client()
    client.takes.clear()
    getting = asyncio.create_task(client.get(bench.response(await bench.prepare())))
    while not client.sent:  # noqa: ASYNC110  (it tells nobody)
        await asyncio.sleep(0.005)
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    assert (bench.lent, bench.points.under_way) == (0, 0)


async def test_more_downloads_than_may_be_are_turned_away(bench: Bench) -> None:
    """Others need connections too."""
    clients = [Client() for _ in range(MOST)]
    download = await bench.prepare()
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            client.takes.clear()
            tasks.create_task(client.get(bench.response(download)))
        while not all(client.sent for client in clients):  # noqa: ASYNC110  (it tells nobody)
            await asyncio.sleep(0.005)
        with pytest.raises(TooBusyError, match="2 downloads"):
            await Client().get(bench.response(download))
        for client in clients:
            client.takes.set()
    assert all(client.is_whole for client in clients)
    assert len(await bench.rows(OPEN_RUN)) == 10


async def test_the_etag_of_points_is_known_without_reading_them(bench: Bench) -> None:
    """Another one for another question or another name; none while the run goes on."""
    etag = (await bench.prepare()).etag
    assert etag is not None
    assert (await bench.prepare()).etag == etag
    moment = datetime(2026, 11, 1, 2, 0, 10, tzinfo=UTC)
    others: list[dict[str, Any]] = [
        {"form": PointFormat.NDJSON},
        {"parameters": ("1",)},
        {"earliest": moment},
        {"latest": moment},
    ]
    assert len({etag, *[(await bench.prepare(**other)).etag for other in others]}) == 5
    assert (await bench.prepare(OPEN_RUN)).etag is None
    connection = await connect_once(bench.database.settings.dsn, schema="ald")
    await connection.execute("UPDATE component_parameters SET name = 'pressure of the chamber' WHERE id = 1")
    await connection.close()
    assert (await bench.prepare()).etag != etag
    assert bench.batches == []


async def test_a_database_that_is_away_is_an_error_before_the_answer_begins() -> None:
    """And one line, not a file that ends."""
    database = Database(DatabaseSettings(dsn="postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=1))
    with pytest.raises(DatabaseUnreachableError, match="not reachable"):
        await RunHistory(database, MACHINE).head(1)
