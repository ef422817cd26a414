"""The stream over a real connection, on a recorder that the test speaks for."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from recorder.api.server import serving
from recorder.config.file import Config
from tests.console.daemon import Daemon

MakeConfig = Callable[..., Config]
DEADLINE_S = 30
Event = tuple[str, Any, str]


async def events(response: httpx.Response) -> AsyncIterator[Event]:
    """Kind, data and id of each event."""
    kind, identifier = "", ""
    async for line in response.aiter_lines():
        name, _, rest = line.partition(": ")
        if name == "event":
            kind = rest
        elif name == "id":
            identifier = rest
        elif name == "data":
            yield kind, json.loads(rest), identifier


def rows_of(event: Event) -> dict[int, float]:
    """Values by parameter id."""
    return {row[0]: row[1] for row in event[1]["rows"]}


def client_of(url: str = "") -> httpx.AsyncClient:
    """A client with as many connections as it asks for."""
    return httpx.AsyncClient(base_url=url, limits=httpx.Limits(max_connections=None), timeout=DEADLINE_S)


@pytest.fixture
def config(make_config: MakeConfig) -> Config:
    """A free port, and quick pictures."""
    return make_config(port=0, stream_interval_s=0.01, heartbeat_s=0.2, max_streams=20)


async def test_a_client_is_told_everything_then_what_changes(config: Config, daemon: Daemon) -> None:
    """And where nothing changes, that the values are still live."""
    async with daemon.serving(), serving(config) as url, client_of(url) as client:
        async with asyncio.timeout(DEADLINE_S), client.stream("GET", "/api/stream") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            stream = events(response)
            first = await anext(stream)
            assert (first[0], len(rows_of(first))) == ("snapshot", 30)
            daemon.set("Heater/temperature_set", 123.5)
            while not rows_of(event := await anext(stream)):
                assert event[0] == "changes"
            assert rows_of(event) == {2: 123.5}
            quiet = await anext(stream)
            assert (quiet[0], quiet[1]["rows"], quiet[1]["now_us"]) == ("changes", [], daemon.now_us)
        # comes back with what it had
        daemon.set("Process/chamber_pressure", 0.75)
        headers = {"Last-Event-ID": event[2]}
        async with asyncio.timeout(DEADLINE_S), client.stream("GET", "/api/stream", headers=headers) as response:
            stream = events(response)
            while not rows_of(event := await anext(stream)):
                pass
            assert (event[0], rows_of(event)) == ("changes", {1: 0.75})


async def test_a_client_may_want_some_parameters_only(config: Config, daemon: Daemon) -> None:
    """By id."""
    async with asyncio.timeout(DEADLINE_S), daemon.serving(), serving(config) as url, client_of(url) as client:
        request = client.build_request("GET", "/api/stream?id=2&id=4")
        response = await client.send(request, stream=True)
        assert set(rows_of(await anext(events(response)))) == {2, 4}
        await response.aclose()


async def test_a_recorder_that_goes_away_is_told_and_its_return_too(config: Config, daemon: Daemon) -> None:
    """The same stream goes on; what is told after a return is everything."""
    async with asyncio.timeout(DEADLINE_S), serving(config) as url, client_of(url) as client:
        response = await client.send(client.build_request("GET", "/api/stream"), stream=True)
        stream = events(response)
        kind, data, _ = await anext(stream)
        assert kind == "away"
        assert "start it: ald-recorder run" in data["detail"]
        async with daemon.serving():
            while (event := await anext(stream))[0] != "snapshot":
                pass
            assert len(rows_of(event)) == 30
        while (event := await anext(stream))[0] != "away":
            pass
        daemon.set("Heater/temperature_set", 99)
        async with daemon.serving():
            while (event := await anext(stream))[0] != "snapshot":
                pass
            assert rows_of(event)[2] == 99
        await response.aclose()


async def test_streams_end_with_the_api(config: Config, daemon: Daemon) -> None:
    """With a word, and not by a connection that breaks."""
    ended = []
    async with daemon.serving(), client_of() as client, asyncio.TaskGroup() as tasks:
        begun = asyncio.Semaphore(0)

        async def follow(url: str) -> None:
            async with client.stream("GET", f"{url}/api/stream") as response:
                async for kind, *_ in events(response):
                    begun.release()
                    last = kind
            ended.append(last)

        async with asyncio.timeout(DEADLINE_S), serving(config) as url:
            followers = [tasks.create_task(follow(url)) for _ in range(5)]
            for _ in followers:
                await begun.acquire()
    assert ended == ["end"] * 5


async def test_more_streams_than_are_allowed_are_refused_and_cost_the_recorder_nothing(
    config: Config, daemon: Daemon
) -> None:
    """Twenty streams ask the recorder as often as one; the next is told to come again, until one ends."""
    async with daemon.serving(), serving(config) as url, client_of(url) as client:
        async with asyncio.timeout(DEADLINE_S):
            responses, streams = [], []
            for _ in range(20):
                responses.append(await client.send(client.build_request("GET", "/api/stream"), stream=True))
                streams.append(events(responses[-1]))
                assert (await anext(streams[-1]))[0] == "snapshot"
            refused = await client.get("/api/stream")
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert "max_streams" in refused.json()["detail"]
            daemon.asked.clear()
            begun_s = asyncio.get_running_loop().time()
            for value in range(5):
                daemon.set("Heater/temperature_set", value)
                while not rows_of(await anext(streams[0])):
                    pass
            asked = len(daemon.asked_for("values"))
            assert asked <= 2 + (asyncio.get_running_loop().time() - begun_s) / 0.1
            for response in responses:
                await response.aclose()
            while (answer := await client.send(client.build_request("GET", "/api/stream"), stream=True)).is_error:
                await answer.aclose()
            assert (await anext(events(answer)))[0] == "snapshot"
            await answer.aclose()
