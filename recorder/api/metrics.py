"""`/metrics`, as Prometheus reads it: what the daemon says, and what the api itself does."""

from collections.abc import Iterator
from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recorder.api.access import READING, Reader
from recorder.api.context import Context
from recorder.api.metrics_daemon import PREFIX, DaemonMetrics, Picture, statement_family
from recorder.api.metrics_requests import RequestTimes, request_histogram
from recorder.database.single_flight import SingleFlight
from recorder.database.statement_times import BOUNDS_S
from recorder.errors import OutsideError, RecorderError

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_EXAMPLE: Final = f"# HELP {PREFIX}up Whether the daemon answers.\n# TYPE {PREFIX}up gauge\n{PREFIX}up 1.0\n"

router = APIRouter(tags=["health"])


class ApiMetrics(Collector):
    """What the api does: caches, pool, streams and statements."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """The families of one scrape."""
        context = self._context
        hits = CounterMetricFamily(PREFIX + "api_cache_hits", "Questions answered without a query.", labels=("cache",))
        misses = CounterMetricFamily(PREFIX + "api_cache_misses", "Questions that needed a query.", labels=("cache",))
        entries = GaugeMetricFamily(PREFIX + "api_cache_entries", "Answers that are kept.", labels=("cache",))
        size = GaugeMetricFamily(PREFIX + "api_cache_bytes", "Bytes of the answers that are kept.", labels=("cache",))
        for cache in context.history.caches:
            hits.add_metric((cache.name,), cache.hits)
            misses.add_metric((cache.name,), cache.misses)
            entries.add_metric((cache.name,), len(cache))
            size.add_metric((cache.name,), cache.bytes)
        yield from (hits, misses, entries, size)
        yield GaugeMetricFamily(
            PREFIX + "api_run_notices_heard",
            "Whether a change of a run would be heard of.",
            value=int(context.history.is_heard),
        )
        yield GaugeMetricFamily(PREFIX + "api_streams", "Clients of the stream.", value=context.live.streams)
        yield GaugeMetricFamily(PREFIX + "api_downloads", "Downloads of points.", value=context.points.under_way)
        connections, idle = context.database.size
        pool = GaugeMetricFamily(PREFIX + "api_pool_connections", "Connections of the api's pool.", labels=("state",))
        pool.add_metric(("used",), connections - idle)
        pool.add_metric(("idle",), idle)
        yield pool
        yield GaugeMetricFamily(
            PREFIX + "api_pool_max_connections",
            "Connections that the api's pool may have.",
            value=context.database.settings.pool_max,
        )
        yield statement_family(
            "api_statement_duration_seconds",
            "How long statements of the api took.",
            {"bounds_s": BOUNDS_S, "of": context.database.times.picture()},
        )


class Scraping:
    """Answers scrapes; however many ask at once, the daemon is asked once.

    Attributes:
        registry: of what the api itself does.
    """

    def __init__(self, context: Context) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.registry.register(ApiMetrics(context))
        self._link = context.scrape
        self._asking: SingleFlight[str, Picture | None] = SingleFlight()

    async def text(self) -> bytes:
        """All families, in Prometheus's text format."""
        picture = await self._asking.run("metrics", self._picture)
        scrape = CollectorRegistry()
        scrape.register(DaemonMetrics(picture))
        return generate_latest(scrape) + generate_latest(self.registry)

    async def _picture(self) -> Picture | None:
        try:
            picture: Picture = await self._link.ask("metrics")
        except OutsideError:
            return None
        except RecorderError:  # it has only begun, or is of an older release: it has a status all the same
            try:
                return {"status": await self._link.ask("status")}
            except RecorderError:
                return None
        return picture


def measure(app: FastAPI, context: Context) -> None:
    """Let an app count its requests and answer scrapes; to be added last, as the first that a request meets."""
    scraping = app.state.scraping = Scraping(context)
    app.add_middleware(RequestTimes, histogram=request_histogram(scraping.registry))


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    dependencies=[Reader],
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus's text format, version 0.0.4.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        **READING,
    },
)
async def metrics(request: Request) -> Response:
    """One question to the daemon; while it is away `ald_recorder_up` is 0, and the api still tells of itself."""
    scraping: Scraping = request.app.state.scraping
    return Response(await scraping.text(), media_type=MEDIA_TYPE)
