"""How long each endpoint takes: ASGI middleware around everything else."""

import time
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recorder.api.metrics_daemon import PREFIX

SLOW_S: Final = 2.0
BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
UNMATCHED: Final = "unmatched"
"""Route of a request that is for nothing that there is; its path is whatever somebody typed."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_GONE: Final = "gone"
"""Status of a request whose client left before there was one."""
_STREAMED: Final = (b"text/event-stream", b"text/csv", b"application/x-ndjson")
"""What takes as long as its client wants to listen: of these the time to the beginning counts."""

log = structlog.get_logger()


def request_histogram(registry: CollectorRegistry) -> Histogram:
    """The histogram of all requests."""
    return Histogram(
        PREFIX + "http_request_duration_seconds",
        "How long requests took, streams until they began.",
        labelnames=("method", "route", "status"),
        buckets=BOUNDS_S,
        registry=registry,
    )


class RequestTimes:
    """Counts the durations of requests by method, route and status, and names the slow ones in the log.

    A route is a template, never the path that somebody asked for: there are few of them.

    Args:
        slow_s: longer is named in the log.
    """

    def __init__(self, app: ASGIApp, *, histogram: Histogram, slow_s: float = SLOW_S) -> None:
        self._app = app
        self._histogram = histogram
        self._slow_s = slow_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request be answered, and look how long that takes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        status = _GONE
        streaming_from: float | None = None

        async def sending(message: Message) -> None:
            nonlocal status, streaming_from
            await send(message)
            if message["type"] == "http.response.start":
                status = str(message["status"])
                if _is_streamed(message):
                    streaming_from = time.monotonic()

        try:
            await self._app(scope, receive, sending)
        finally:
            seconds = (streaming_from or time.monotonic()) - begun
            self._count(scope, status, seconds)

    def _count(self, scope: Scope, status: str, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", UNMATCHED)
        self._histogram.labels(method, route, status).observe(seconds)
        if seconds > self._slow_s:
            log.warning("request_slow", method=method, route=route, status=status, seconds=round(seconds, 3))


def _is_streamed(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(_STREAMED) for name, value in message.get("headers", ())
    )
