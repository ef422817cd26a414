"""TLS between recorder and device: what holds, and what a person reads where it does not."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hal.errors import DefinitionError, NotConnectedError
from hal.link import Block
from hal.modbus import ModbusLink, ModbusTcpSettings, TlsSettings, connect
from hal.parameter import RegisterKind
from tests.hal.certificates import Certificates
from tests.hal.streams import serving_streams

ONE = Block(kind=RegisterKind.HOLDING_REGISTER, address=0, count=1)


@asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Answer each request with the word 7."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readexactly(12):
            writer.write(request[:4] + bytes.fromhex("0005 01 03 02 0007"))
            await writer.drain()

    async with serving_streams(serve, context) as port:
        yield port


async def reach(port: int, tls: TlsSettings | None, host: str = "127.0.0.1") -> ModbusLink:
    """Connect."""
    return await connect(
        ModbusTcpSettings(device="plc", host=host, port=port, tls=tls, connect_timeout_s=5, request_timeout_s=5)
    )


async def test_a_device_with_a_good_certificate_is_read(tmp_path: Path) -> None:
    """Signed by the authority, for the host that is asked."""
    certificates = Certificates(tmp_path)
    async with serving(certificates.server_context()) as port:
        link = await reach(port, TlsSettings(ca=certificates.authority))
        assert (await link.read(ONE)).data.tolist() == [7]
        await link.close()


async def test_a_device_that_asks_who_we_are_is_told(tmp_path: Path) -> None:
    """With certificate and key."""
    certificates = Certificates(tmp_path)
    async with serving(certificates.server_context(asks_for_ours=True)) as port:
        tls = TlsSettings(ca=certificates.authority, certificate=certificates.ours, key=certificates.our_key)
        link = await reach(port, tls)
        assert (await link.read(ONE)).data.tolist() == [7]
        await link.close()


async def test_a_device_that_wants_a_certificate_of_ours_says_so(tmp_path: Path) -> None:
    """TLS 1.3 refuses only after the handshake, so it is the first request that hears of it."""
    certificates = Certificates(tmp_path)
    async with serving(certificates.server_context(asks_for_ours=True)) as port:
        link = await reach(port, TlsSettings(ca=certificates.authority))
        with pytest.raises(NotConnectedError, match="before its first answer: it may want another tls_certificate"):
            await link.read(ONE)
        await link.close()


async def test_an_expired_certificate_says_what_to_renew(tmp_path: Path) -> None:
    """And which day this computer takes it to be."""
    certificates = Certificates(tmp_path, expired=True)
    async with serving(certificates.server_context()) as port:
        words = r"plc: connect to 127\.0\.0\.1:\d+: the device's certificate has expired: renew it on the device"
        with pytest.raises(NotConnectedError, match=words):
            await reach(port, TlsSettings(ca=certificates.authority))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_certificate_for_another_name_says_which_field_helps(tmp_path: Path, host: str) -> None:
    """A host name and an address alike."""
    certificates = Certificates(tmp_path, name="plc.example")
    async with serving(certificates.server_context()) as port:
        with pytest.raises(NotConnectedError, match=rf"certificate is not for '{host}': set tls_server_name"):
            await reach(port, TlsSettings(ca=certificates.authority), host)


async def test_the_name_on_the_certificate_can_be_given(tmp_path: Path) -> None:
    """Where the device is reached by its address."""
    certificates = Certificates(tmp_path, name="plc.example")
    async with serving(certificates.server_context()) as port:
        link = await reach(port, TlsSettings(ca=certificates.authority, server_name="plc.example"))
        assert (await link.read(ONE)).data.tolist() == [7]
        await link.close()


async def test_an_unknown_authority_says_which_field_helps(tmp_path: Path) -> None:
    """A file of one's own, or this computer's."""
    certificates, other = Certificates(tmp_path / "ours"), Certificates(tmp_path / "other")
    async with serving(certificates.server_context()) as port:
        with pytest.raises(NotConnectedError, match=rf"signed by none of {other.authority}: set tls_ca"):
            await reach(port, TlsSettings(ca=other.authority))
        with pytest.raises(NotConnectedError, match="signed by none of this computer's authorities: set tls_ca"):
            await reach(port, TlsSettings())


async def test_a_device_without_tls_says_what_may_be_meant(tmp_path: Path) -> None:
    """A port that speaks plain Modbus."""

    async def rubbish(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes.fromhex("0001 0000 0003 01 83 01"))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(rubbish, "127.0.0.1", 0) as server:
        with pytest.raises(NotConnectedError, match=r'no TLS on this port .*is transport = "tcp" meant\?'):
            await reach(server.sockets[0].getsockname()[1], TlsSettings(ca=Certificates(tmp_path).authority))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ca": "missing.pem"}, r"tls_ca .*missing\.pem: No such file or directory"),
        ({"ca": "recorder.key"}, r"tls_ca .*recorder\.key holds no PEM certificate"),
        ({"certificate": "missing.pem"}, r"tls_certificate .*missing\.pem: No such file"),
        ({"certificate": "recorder.pem", "key": "missing.key"}, r"tls_key .*missing\.key: No such file"),
        ({"certificate": "authority.pem", "key": "recorder.key"}, r"recorder\.key do not belong together"),
        ({"certificate": "recorder.pem", "key": "authority.pem"}, r"cannot be used .*private key"),
    ],
)
async def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, fields: dict[str, str], words: str) -> None:
    """With its field; found at each connection, since certificates are renewed while the recorder runs."""
    Certificates(tmp_path)
    tls = TlsSettings(**{field: tmp_path / name for field, name in fields.items()})  # type: ignore[arg-type]
    with pytest.raises(NotConnectedError, match=words):
        await reach(1, tls)


def test_a_key_without_a_certificate_is_refused() -> None:
    """Before any connection."""
    with pytest.raises(DefinitionError, match="needs the certificate"):
        TlsSettings(key=Path("recorder.key"))
