"""What every request passes first: host, origin, size, and how many there are."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from recorder.api.tokens import Role, Tokens
from recorder.config.file import Config
from tests.api.conftest import client_of
from tests.console.daemon import Daemon

MakeConfig = Callable[..., Config]


@pytest.mark.parametrize("host", ["localhost", "localhost:8020", "127.0.0.1:9", "[::1]:8020", "LOCALHOST"])
async def test_names_of_loopback_are_ours(make_config: MakeConfig, host: str) -> None:
    """With any port: a tunnel may have another."""
    async with client_of(make_config()) as client:
        assert (await client.get("/health/live", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "", "192.0.2.7", "a@localhost", "localhost/x", "localhost:x", "["],
)
async def test_another_name_is_refused(make_config: MakeConfig, host: str) -> None:
    """A page of elsewhere whose name resolves to this computer (DNS rebinding) says its own name."""
    async with client_of(make_config()) as client:
        answer = await client.get("/health/live", headers={"Host": host})
    assert answer.status_code == 400
    assert "[api] allowed_hosts" in answer.json()["detail"]


async def test_a_name_can_be_allowed(make_config: MakeConfig) -> None:
    """Behind a proxy or on a network; there an address is a name of ours too, as nobody else can own it."""
    async with client_of(make_config(allowed_hosts=["Tool-7.fab"])) as client:
        assert (await client.get("/health/live", headers={"Host": "tool-7.FAB:80"})).status_code == 200
    async with client_of(make_config(host="0.0.0.0", allow_plain_http=True), host="192.0.2.7") as client:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/live", headers={"Host": "evil.example"})).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost:8020"}, 200),
        ({"Origin": "https://localhost:8020"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:8020.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_web_pages_of_elsewhere_are_refused(
    make_config: MakeConfig, headers: dict[str, str], status: int
) -> None:
    """A link may lead here, and nothing else; no header lets another page read the answer."""
    async with client_of(make_config()) as client:
        answer = await client.get("/health/live", headers=headers)
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


async def test_an_origin_can_be_allowed(make_config: MakeConfig) -> None:
    """Its pages may read, and send a token."""
    origin = "https://grafana.example:3000"
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with client_of(make_config(allowed_origins=[origin])) as client:
        answer = await client.get("/health/live", headers={"Origin": origin})
        asked = await client.options("/api/runs/stop", headers={"Origin": origin, **preflight})
        other = await client.get("/health/live", headers={"Origin": "https://grafana.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-headers"].lower().find("authorization") >= 0
    assert "access-control-allow-credentials" not in asked.headers
    assert other.status_code == 403


async def test_every_answer_says_what_a_browser_may_do_with_it(make_config: MakeConfig) -> None:
    """Problems too."""
    async with client_of(make_config()) as client:
        for path in ("/health/live", "/nothing", "/api/values"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert headers["cache-control"] == "no-store"
            assert "server" not in headers


async def test_a_huge_body_is_refused_before_it_is_read(make_config: MakeConfig, daemon: Daemon) -> None:
    """By what its length says, and by what comes where nothing is said."""
    config = make_config(max_body_bytes=1024)
    headers = {"Authorization": f"Bearer {Tokens(config.token_file).create('Ada', Role.OPERATOR)}"}

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100

    async with daemon.serving(), client_of(config) as client:
        for content in (b"x" * 1025, endless()):
            answer = await client.post("/api/runs/start", headers=headers, content=content)
            assert (answer.status_code, answer.headers["connection"]) == (413, "close")
            assert answer.json()["detail"] == "a body is at most 1024 bytes long"
        body = b'{"note": "%b"}' % (b"x" * 100)
        daemon.process = None
        assert (await client.post("/api/runs/start", headers=headers, content=body)).status_code in {201, 422}


async def test_a_body_that_does_not_come_is_not_waited_for(make_config: MakeConfig) -> None:
    """408 after the time that a client may take."""

    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with client_of(make_config(client_timeout_s=0.05)) as client:
        answer = await client.post("/api/runs/start", content=stuck())
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")


async def test_more_requests_than_are_allowed_are_told_to_come_again(make_config: MakeConfig) -> None:
    """429 with a time to wait; liveness is answered all the same."""
    waiting, under_way = asyncio.Event(), asyncio.Semaphore(0)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        under_way.release()
        await waiting.wait()
        yield b"}"

    async with client_of(make_config(max_requests=3)) as client, asyncio.TaskGroup() as tasks:
        begun = [tasks.create_task(client.post("/api/runs/start", content=slow())) for _ in range(3)]
        for _ in begun:
            await under_way.acquire()
        answer = await client.get("/api/status")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert (await client.get("/health/live")).status_code == 200
        waiting.set()
    assert [task.result().status_code for task in begun] == [401] * 3
