"""Runs and points over HTTP, in this very process and from a real PostgreSQL."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from recorder.config.database import DatabaseConfig
from recorder.config.file import Config, RecorderConfig
from recorder.database import connect_once
from tests.api.conftest import client_of
from tests.api.histories import LONG_POINTS, LONG_RUN, OPEN_RUN, OTHER_RUN, RUNS, fill

POINTS = f"/api/runs/{LONG_RUN}/points"


@pytest.fixture
def config(database_url: str, short_directory: Path) -> Config:
    """An api whose daemon is away, and whose database is there."""
    return Config(
        recorder=RecorderConfig(data_directory=short_directory), database=DatabaseConfig(dsn=SecretStr(database_url))
    )


@pytest.fixture
async def client(config: Config) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it, with runs of two machines."""
    connection = await connect_once(config.require_dsn(), schema="ald")
    await fill(connection)
    await connection.close()
    async with client_of(config) as client:
        yield client


async def plain(client: httpx.AsyncClient, url: str, **asked: Any) -> Any:
    """What a client is told."""
    answer = await client.get(url, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_list_goes_on_page_by_page(client: httpx.AsyncClient) -> None:
    """Twenty at a time unless told otherwise; the cursor is all that a client needs to keep."""
    first = await plain(client, "/api/runs")
    assert [run["id"] for run in first["runs"]][:4] == [OPEN_RUN, LONG_RUN, 59, 58]
    assert len(first["runs"]) == 20
    assert await plain(client, "/api/runs", cursor="") == first
    second = await plain(client, "/api/runs", cursor=first["next"], limit=200)
    assert len(second["runs"]) == RUNS + 2 - 6 - 20
    assert second["next"] is None
    assert first["runs"][1] == {
        "id": LONG_RUN,
        "href": f"/api/runs/{LONG_RUN}",
        "kind": "recipe",
        "recipe": "HfO2",
        "operator": "",
        "lot": "long",
        "substrate": "",
        "note": "",
        "status": "completed",
        "started_at": "2026-11-01T02:00:00Z",
        "ended_at": "2026-11-01T03:00:00Z",
        "audit_verdict": "balances",
        "cycles": 5,
    }
    assert (await plain(client, first["runs"][1]["href"]))["id"] == LONG_RUN


async def test_the_list_is_filtered(client: httpx.AsyncClient) -> None:
    """By each of its parameters, and by several together; a moment without offset is UTC."""

    async def ids(**asked: Any) -> list[int]:
        return [run["id"] for run in (await plain(client, "/api/runs", **asked))["runs"]]

    assert await ids(kind="idle") == [60, 50, 40, 30, 20, 10]
    assert await ids(kind=["idle", "manual"], status="completed", limit=3) == [60, 57, 54]
    assert await ids(search="LOT57") == [57]
    assert await ids(recipe="HfO2") == [LONG_RUN]
    at = "2026-11-01T00:10:00"
    assert await ids(begun_from=at, begun_before="2026-11-01T01:11:00+01:00") == [21]


@pytest.mark.parametrize(
    ("url", "asked", "status", "said"),
    [
        ("/api/runs", {"limit": 0}, 422, "query.limit"),
        ("/api/runs", {"limit": 201}, 422, "query.limit"),
        ("/api/runs", {"cursor": "rubbish"}, 404, "cursor: it is none that a page of runs ended with; begin without"),
        ("/api/runs", {"cursor": "MS4x" * 30}, 422, "query.cursor"),
        ("/api/runs", {"kind": "unkind"}, 422, "query.kind"),
        ("/api/runs", {"search": "a\0b"}, 422, "text has no NUL"),
        ("/api/runs", {"search": "x" * 201}, 422, "query.search"),
        ("/api/runs", {"begun_from": "0001-01-01T00:00:00+14:00"}, 422, "between the years"),
        ("/api/runs", {"begun_before": "9999-12-31T23:59:59-14:00"}, 422, "between the years"),
        ("/api/runs", {"begun_before": "yesterday"}, 422, "query.begun_before"),
        ("/api/runs", {"begun_from": "1795000000"}, 422, "2026-11-22T09:30:00Z"),
        (POINTS, {"end": "0.5"}, 422, "query.end"),
        ("/api/runs/4711", {}, 404, "ALD tool has no run 4711"),
        (f"/api/runs/{OTHER_RUN}", {}, 404, f"no run {OTHER_RUN}"),
        (f"/api/runs/{1 << 63}", {}, 422, "path.run"),
        ("/api/runs/-1", {}, 422, "path.run"),
        ("/api/runs/start", {}, 422, "path.run"),
        ("/api/runs/4711/summaries", {}, 404, "no run 4711"),
        ("/api/runs/4711/points", {}, 404, "no run 4711"),
        (POINTS, {"parameter": "Process/none"}, 404, "'Process/none': there is none"),
        (POINTS, {"parameter": "\0"}, 422, "text has no NUL"),
        (POINTS, {"parameter": ["1"] * 201}, 422, "query.parameter"),
        (POINTS, {"format": "xlsx"}, 422, "query.format"),
    ],
)
async def test_what_cannot_be_answered_is_one_clear_problem(
    client: httpx.AsyncClient, url: str, asked: dict[str, Any], status: int, said: str
) -> None:
    """What, and what to do."""
    answer = await client.get(url, params=asked)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    "url", ["/api/runs", f"/api/runs/{LONG_RUN}", f"/api/runs/{LONG_RUN}/summaries", POINTS, f"{POINTS}?format=ndjson"]
)
async def test_who_has_the_content_is_not_sent_it_again(client: httpx.AsyncClient, config: Config, url: str) -> None:
    """By its ETag, which another api has too."""
    answer = await client.get(url)
    etag = answer.headers["etag"]
    assert answer.headers["cache-control"] == "private, no-cache"
    async with client_of(config) as other:
        for asked in (client, other):
            again = await asked.get(url, headers={"If-None-Match": f'"other", {etag}'})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
            assert (await asked.get(url, headers={"If-None-Match": '"other"'})).content == answer.content


async def test_the_completed_runs_of_a_recipe_have_statistics(client: httpx.AsyncClient, config: Config) -> None:
    """Over the whole run, and by step where asked for; of a recipe that never ran there are none."""
    connection = await connect_once(config.require_dsn(), schema="ald")
    await connection.execute("SELECT refresh_recipe_statistics()")
    await connection.close()
    recipes = (await client.get("/api/recipes")).json()["recipes"]
    assert recipes == [{"recipe": "HfO2", "runs": 1, "last_run_at": "2026-11-01T02:00:00Z"}]
    asked = {"recipe": "HfO2"}
    [whole] = (await client.get("/api/recipes/statistics", params=asked)).json()["statistics"]
    assert (whole["step"], whole["parameter"], whole["mean"]) == (None, "pressure", 2.0)
    by_step = (await client.get("/api/recipes/statistics", params={**asked, "steps": True})).json()["statistics"]
    assert [one["step"] for one in by_step] == [None, 1]
    never = await client.get("/api/recipes/statistics", params={"recipe": "no/such"})
    assert (never.status_code, "/api/recipes lists them" in never.json()["detail"]) == (404, True)


async def test_points_come_in_the_format_that_is_asked_for(client: httpx.AsyncClient) -> None:
    """By Accept, or by format, which goes first."""
    answer = await client.get(POINTS)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="run-{LONG_RUN}.csv"'
    assert answer.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["vary"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert len(rows) == LONG_POINTS
    ndjson = await client.get(POINTS, headers={"Accept": "application/x-ndjson", "Accept-Encoding": "identity"})
    assert "content-encoding" not in ndjson.headers
    lines = [json.loads(line) for line in ndjson.text.splitlines()]
    assert [line["timestamp"] for line in lines] == [row["timestamp"] for row in rows]
    forced = await client.get(POINTS, params={"format": "csv"}, headers={"Accept": "application/x-ndjson"})
    assert forced.text == answer.text
    refused = await client.get(POINTS, headers={"Accept": "application/xml"})
    assert (refused.status_code, "text/csv or application/x-ndjson" in refused.json()["detail"]) == (406, True)


async def test_a_database_that_is_away_is_said_so(short_directory: Path) -> None:
    """For a while, and nothing is kept of it."""
    away = DatabaseConfig(dsn=SecretStr("postgresql://nobody@127.0.0.1:1/none"), connect_timeout_s=1)
    async with client_of(Config(recorder=RecorderConfig(data_directory=short_directory), database=away)) as client:
        for url in ("/api/runs", "/api/runs/1", "/api/runs/1/summaries", "/api/runs/1/points"):
            answer = await client.get(url)
            assert answer.status_code == 503
            assert "not reachable" in answer.json()["detail"]
            assert answer.headers["retry-after"] == "1"
