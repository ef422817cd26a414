"""Clients that are slow, rude or many, and TLS, over real connections."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trustme

from recorder.api.server import serving
from recorder.config.file import Config
from recorder.errors import ConfigurationError, OutsideError

MakeConfig = Callable[..., Config]
DEADLINE_S = 60
REQUEST = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare connection."""
    address = httpx.URL(url)
    return await asyncio.open_connection(address.host, address.port, limit=1024)


async def close(*writers: asyncio.StreamWriter) -> None:
    """Close connections, whoever ended them."""
    for writer in writers:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", REQUEST + b"GET"])
async def test_a_request_that_is_never_finished_is_not_waited_for(make_config: MakeConfig, sent: bytes) -> None:
    """Nothing at all, half a line, or half a second request: the connection ends."""
    async with asyncio.timeout(DEADLINE_S), serving(make_config(port=0, client_timeout_s=0.2)) as url:
        reader, writer = await connect(url)
        writer.write(sent)
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b""
        await close(writer)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 200 OK")


async def test_a_client_that_does_not_read_its_answers_is_let_go(make_config: MakeConfig) -> None:
    """And others are answered meanwhile."""
    async with (
        asyncio.timeout(DEADLINE_S),
        serving(make_config(port=0, client_timeout_s=0.2)) as url,
        httpx.AsyncClient() as client,
    ):
        _, writer = await connect(url)
        for _ in range(400):
            writer.write(b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not await _is_reset(writer):
            assert (await client.get(f"{url}/health/live")).status_code == 200
        await close(writer)


async def _is_reset(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"\r\n")
    try:
        await writer.drain()
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"POST /api/runs/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nx",
        b"POST /api/runs/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"\0" * 1000,
        b"GET / HTTP/9.9\r\n\r\n",
    ],
)
async def test_rubbish_is_refused_or_not_answered_at_all(make_config: MakeConfig, rubbish: bytes) -> None:
    """TLS where HTTP is spoken, a line or header without end, two hosts, two lengths; the next client is served."""
    async with asyncio.timeout(DEADLINE_S), serving(make_config(port=0, client_timeout_s=0.5)) as url:
        reader, writer = await connect(url)
        writer.write(rubbish)
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b""
        await close(writer)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/health/live")).status_code == 200
    assert answer == b"" or answer.split(b" ")[1] in {b"400", b"404", b"408"}


async def test_more_connections_than_are_allowed_are_told_and_closed(make_config: MakeConfig) -> None:
    """503, and as soon as one ends there is room."""
    async with asyncio.timeout(DEADLINE_S), serving(make_config(port=0, max_connections=10)) as url:
        held = [await connect(url) for _ in range(10)]
        for reader, writer in held:
            writer.write(REQUEST)
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        reader, writer = await connect(url)
        told = await reader.read()
        assert told.startswith(b"HTTP/1.1 503 Service Unavailable")
        assert b"too many connections are open" in told
        await close(writer, held[0][1])
        while True:
            reader, writer = await connect(url)
            writer.write(REQUEST)
            line = await reader.readline()
            await close(writer)
            if line == b"HTTP/1.1 200 OK\r\n":
                break
        await close(*(writer for _, writer in held))


async def test_tls_is_served_by_certificate_files(make_config: MakeConfig, tmp_path: Path) -> None:
    """A client that trusts the authority is answered; one without TLS is not."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key = tmp_path / "api.pem", tmp_path / "api.key"
    issued.private_key_pem.write_to_path(key)
    for pem in issued.cert_chain_pems:
        pem.write_to_path(certificate, append=True)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    config = make_config(port=0, tls_certificate=certificate, tls_key=key)
    async with asyncio.timeout(DEADLINE_S), serving(config) as url:
        assert url.startswith("https://127.0.0.1:")
        async with httpx.AsyncClient(verify=trusting) as client:
            answer = await client.get(f"{url}/health/live", headers={"Origin": url})
            assert (answer.status_code, answer.headers["strict-transport-security"]) == (200, "max-age=31536000")
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
                await client.get(f"{url}/health/live")
            with pytest.raises(httpx.TransportError):
                await client.get(f"{url.replace('https', 'http')}/health/live")


async def test_files_of_tls_that_are_none_are_one_line(make_config: MakeConfig, tmp_path: Path) -> None:
    """Not there, rubbish, or a key of another certificate."""
    rubbish = tmp_path / "api.pem"
    rubbish.write_text("no certificate")
    one, other = trustme.CA().issue_cert("localhost"), trustme.CA().issue_cert("localhost")
    certificate, key = tmp_path / "one.pem", tmp_path / "other.key"
    one.cert_chain_pems[0].write_to_path(certificate)
    other.private_key_pem.write_to_path(key)
    for files, said in (
        ((tmp_path / "nothing", key), "api.tls_certificate: .*nothing: no such file"),
        ((rubbish, key), "are not a certificate and its key"),
        ((certificate, key), "are not a certificate and its key"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            async with serving(make_config(port=0, tls_certificate=files[0], tls_key=files[1])):
                pass


async def test_elsewhere_than_on_loopback_it_does_not_listen_without_tls(make_config: MakeConfig) -> None:
    """Unless that is asked for by name; the recorder itself starts with such a configuration."""
    with pytest.raises(ConfigurationError, match=r"api\.host: 0\.0\.0\.0 is not loopback, and without TLS"):
        async with serving(make_config(port=0, host="0.0.0.0")):
            pass
    make_config(port=0, host="0.0.0.0", allow_plain_http=True).api.require_safe()


async def test_an_address_that_cannot_be_listened_at_is_one_line(make_config: MakeConfig) -> None:
    """Taken, of another computer, or no address at all."""
    async with asyncio.timeout(DEADLINE_S), serving(make_config(port=0)) as url:
        with pytest.raises(OutsideError, match=r"cannot listen at 127\.0\.0\.1 port"):
            async with serving(make_config(port=httpx.URL(url).port)):
                pass
    for host in ("192.0.2.1", "no such host.invalid"):
        with pytest.raises(OutsideError, match=r"api"):
            async with serving(make_config(port=0, host=host, allow_plain_http=True)):
                pass
