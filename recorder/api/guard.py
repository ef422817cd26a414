"""What every request passes first: which host and which web page it is for, how large it is, and how many there are.

A web page of elsewhere must not read or steer a tool through a browser that can reach this api. Its name resolves to
this computer (DNS rebinding): the Host header gives it away. Or it asks across origins: Origin and Sec-Fetch-Site do.
"""

import asyncio
import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recorder.api.problem import ProblemResponse
from recorder.config.api import ApiConfig

LIVENESS: Final = "/health/live"
STREAM: Final = "/api/stream"
_UNCOUNTED: Final = frozenset({LIVENESS, STREAM})
"""A stream is counted by itself; liveness must be answered also when there is much to do."""
_SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_TLS_HEADERS: Final = ((b"strict-transport-security", b"max-age=31536000"),)
log = structlog.get_logger()
_NO_STORE: Final = (b"cache-control", b"no-store")


class _ClientGoneError(Exception):
    """The client went away before its request was whole."""


class Guard:
    """ASGI middleware around everything else.

    Attributes:
        under_way: requests that are being answered, streams apart.
    """

    def __init__(self, app: ASGIApp, config: ApiConfig) -> None:
        self._app = app
        self._config = config
        self._hosts = config.hosts
        self._origins = frozenset(origin.lower().rstrip("/") for origin in config.allowed_origins)
        self._headers = _SECURITY_HEADERS + (_TLS_HEADERS if config.is_tls else ())
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sending = self._with_headers(send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refused(scope, headers)
        is_counted = scope["path"] not in _UNCOUNTED
        if refused is None and is_counted and self.under_way >= self._config.max_requests:
            refused = ProblemResponse(429, f"{self.under_way} requests are under way; try again in a second")
        if refused is not None:
            await refused(scope, receive, sending)
            return
        self.under_way += is_counted
        try:
            body = await self._body(headers, receive)
            if isinstance(body, ProblemResponse):
                await body(scope, receive, sending)
            else:
                await self._answer(scope, _replayed(body, receive), sending)
        except _ClientGoneError:
            return
        finally:
            self.under_way -= is_counted

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the routes answer; a fault of ours is a problem too, where nothing was said yet."""
        is_begun = False

        async def sending(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            if is_begun:
                raise
            await ProblemResponse(500, "a fault of the api; its log says more")(scope, receive, sending)

    def _refused(self, scope: Scope, headers: Mapping[str, str]) -> ProblemResponse | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return ProblemResponse(
                400, f"this api is not {host[:100]!r}: name it under [api] allowed_hosts if it shall be"
            )
        origin = headers.get("origin")
        if origin is not None:
            own = f"{scope.get('scheme', 'http')}://{host}".lower()
            if origin.lower() not in {own, *self._origins}:
                return ProblemResponse(
                    403, f"web pages of {origin[:100]!r} may not use this api: [api] allowed_origins"
                )
        elif headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return ProblemResponse(403, "web pages of elsewhere may not use this api: [api] allowed_origins")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > self._config.max_body_bytes:
            return self._too_large()
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name = (parts.hostname or "").lower()
            _ = parts.port
        except ValueError:
            return False
        if not name or parts.username is not None or parts.path or parts.query or parts.fragment:
            return False
        return name in self._hosts or (not self._config.is_loopback and _is_address(name))

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes | ProblemResponse:
        """The whole body: no more than is allowed, and within the time that a client may take."""
        if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
            return b""
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._config.client_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientGoneError
                    part = message.get("body", b"")
                    size += len(part)
                    if size > self._config.max_body_bytes:
                        return self._too_large()
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            limit_s = self._config.client_timeout_s
            return ProblemResponse(408, f"the body did not come within {limit_s:g} s", {"Connection": "close"})

    def _too_large(self) -> ProblemResponse:
        limit = self._config.max_body_bytes
        # the rest of the body is not read: the connection ends
        return ProblemResponse(413, f"a body is at most {limit} bytes long", {"Connection": "close"})

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                present = {name for name, _ in headers}
                headers = [*headers, *(header for header in self._headers if header[0] not in present)]
                if not present & {b"cache-control", b"etag"}:
                    headers.append(_NO_STORE)
                message["headers"] = headers
            await send(message)

        return sending


def _is_address(name: str) -> bool:
    """An address cannot be a name that somebody else lets resolve to ours."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Hand over a body that was read, then whatever comes."""
    is_told = False

    async def receiving() -> Message:
        nonlocal is_told
        if is_told:
            while (message := await receive())["type"] == "http.request":
                pass
            return message
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving
