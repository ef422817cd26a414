"""Serves the api until it is told to stop."""

import asyncio
import contextlib
import resource
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Final

import structlog
import uvicorn

from recorder.api.app import make_app
from recorder.api.connection import LONGEST_HEAD, connections
from recorder.api.context import Context, open_context
from recorder.config.api import ApiConfig
from recorder.config.file import Config
from recorder.errors import ConfigurationError, OutsideError

GRACE_S: Final = 5
_KEEP_ALIVE_S: Final = 5
_OTHER_FILES: Final = 128
_SEND_BUFFER: Final = 262_144
log = structlog.get_logger()


class _Server(uvicorn.Server):
    """Leaves signals to us, since its own would be raised once more at its end, and exit with another status."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config: Config) -> None:
    """Answer until SIGTERM or SIGINT; streams then end, and what is under way has a few seconds.

    Raises:
        ConfigurationError: it would not be safe, or a file of TLS cannot be used.
        OutsideError: the address cannot be listened at.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(config) as url:
        log.info("api_listening", url=url, control=str(config.control_socket))
        await stop.wait()
    log.info("api_stopped")


@contextlib.asynccontextmanager
async def serving(config: Config) -> AsyncIterator[str]:
    """Answer for as long as the block runs, at the address that it is told.

    Raises:
        ConfigurationError: it would not be safe, or a file of TLS cannot be used.
        OutsideError: the address cannot be listened at.
    """
    api = config.api
    api.require_safe()
    _allow_files(api.max_connections + _OTHER_FILES)
    # what may be wrong is found before anything is opened
    tls = _tls(api)
    with _listening(api.host, api.port) as listener:
        place = f"[{api.host}]" if ":" in api.host else api.host
        async with open_context(config) as context, asyncio.TaskGroup() as tasks:
            server = _server(context, tls)
            tasks.create_task(server.serve(sockets=[listener]), name="http server")
            try:
                yield f"{'http' if tls is None else 'https'}://{place}:{listener.getsockname()[1]}"
            finally:
                context.live.end()
                server.should_exit = True


def _server(context: Context, tls: ssl.SSLContext | None) -> _Server:
    api = context.config.api
    served = uvicorn.Config(
        make_app(context),
        http=connections(patience_s=api.client_timeout_s, most=api.max_connections),
        h11_max_incomplete_event_size=LONGEST_HEAD,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=max(1, min(_KEEP_ALIVE_S, round(api.client_timeout_s))),
        timeout_graceful_shutdown=GRACE_S,
    )
    served.load()
    served.ssl = tls
    return _Server(served)


def _tls(api: ApiConfig) -> ssl.SSLContext | None:
    if api.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name, path in (("tls_certificate", api.tls_certificate), ("tls_key", api.tls_key)):
        if path is not None and not path.is_file():
            raise ConfigurationError(f"api.{name}: {path}: no such file")
    try:
        # without a pass phrase: there is nobody to type it
        context.load_cert_chain(api.tls_certificate, api.tls_key, password=b"")
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise ConfigurationError(
            f"api.tls_certificate: {api.tls_certificate} and {api.tls_key} are not a certificate and its key: {error}"
        ) from error
    return context


def _allow_files(count: int) -> None:
    """Each connection is an open file, and most systems allow 1,024 of them unless asked for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < count:
        log.warning("few_files_allowed", allowed=wanted, needed=count, meaning="fewer connections than max_connections")


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OutsideError(f"api.host: {host}: {error.strerror or error}; name an address of this computer") from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # of each connection: the kernel would keep megabytes for a client that does not read
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            listener.bind(address)
        except OSError as error:
            raise OutsideError(
                f"api: cannot listen at {host} port {port}: {error.strerror or error}; "
                "choose another [api] host or port, or stop what listens there"
            ) from error
        # from here on a client waits until it is answered, and is not refused
        listener.listen()
        listener.setblocking(False)
        yield listener
