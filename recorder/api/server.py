"""Serves the api until it is told to stop. The only file that knows uvicorn."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import structlog
import uvicorn

from recorder.api.app import make_app
from recorder.api.context import open_context
from recorder.config import Config
from recorder.errors import OutsideError

GRACE_S = 5
log = structlog.get_logger()


class _Server(uvicorn.Server):
    """Leaves signals to us, since its own would be raised once more at its end, and exit with another status."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config: Config) -> None:
    """Answer until SIGTERM or SIGINT; what is under way then has a few seconds to end.

    Raises:
        OutsideError: the address cannot be listened at.
    """
    async with open_context(config) as context:
        api = config.api
        server = _Server(
            uvicorn.Config(
                make_app(context),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ssl_certfile=api.tls_certificate,
                ssl_keyfile=api.tls_key,
                timeout_graceful_shutdown=GRACE_S,
            )
        )

        def stop() -> None:
            server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        with _listening(api.host, api.port) as listener:
            port = listener.getsockname()[1]
            scheme = "https" if api.is_tls else "http"
            place = f"[{api.host}]" if ":" in api.host else api.host
            log.info("api_listening", url=f"{scheme}://{place}:{port}", control=str(config.control_socket))
            await server.serve(sockets=[listener])
        log.info("api_stopped")


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
            listener.bind(address)
        except OSError as error:
            raise OutsideError(f"api: cannot listen at {host} port {port}: {error.strerror or error}") from error
        listener.setblocking(False)
        yield listener
