"""`/metrics` of the real api beside the real recorder, and what it says while the recorder is away."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from recorder.api.metrics_requests import RequestTimes, request_histogram
from recorder.config.file import Config
from tests.api import promtool
from tests.api.conftest import Site, client_of
from tests.console.daemon import Daemon

pytestmark = pytest.mark.timeout(240)
"""With the first of them the recorder, its tool and the api are started."""
DEPLOY = Path(__file__).parents[2] / "deploy"
AWAY = "ald_recorder_up 0.0"
EXPECTED = """
    up info run_in_progress slots_total shed_slots_total lost_rows_total stage_latency_seconds_bucket
    event_loop_lag_seconds device_up
    device_round_trip_seconds spool_bytes spool_max_bytes spool_entries spool_time_to_full_seconds
    spool_time_to_drain_seconds spool_shed_entries_total writer_up writer_rows_total quarantined_rows_total
    pool_connections pool_max_connections set_value_cache_hits_total set_value_cache_misses_total
    set_value_refreshes_total database_queries_total clock_synchronised clock_offset_seconds disk_used_ratio
    audit_failed_runs_total statement_duration_seconds_bucket daemon_resident_memory_bytes daemon_cpu_seconds_total
    machine_memory_bytes http_request_duration_seconds_bucket api_cache_hits_total api_cache_misses_total
    api_streams
    alarms
"""
"""What rules and dashboard ask for."""


def samples_of(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Labels and value of each sample, by name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name.removeprefix("ald_recorder_"), []).append((sample.labels, sample.value))
    return found


def test_a_recorder_at_work_is_told_in_whole(site: Site) -> None:
    """Every figure that rules and dashboard ask for, and what grows does."""
    with site.anybody as client:
        first = samples_of(client.get("/metrics").text)
        answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    second = samples_of(answer.text)
    assert [name for name in EXPECTED.split() if name not in second] == []
    assert second["up"] == [({}, 1.0)]
    assert second["process_resident_memory_bytes"][0][1] > 1e6

    def of(samples: dict[str, list[tuple[dict[str, str], float]]], name: str) -> float:
        return sum(value for _, value in samples[name])

    for name in ("slots_total", "writer_rows_total", "stage_latency_seconds_count", "database_queries_total"):
        assert of(second, name) >= of(first, name) > 0
    statements = {labels["statement"] for labels, _ in second["statement_duration_seconds_count"]}
    assert "commit" in statements
    assert 0 < second["device_round_trip_seconds"][0][1] < 1


def test_rules_and_dashboard_ask_for_nothing_that_is_not_told(site: Site) -> None:
    """A name that is told by nobody is an alert that never comes."""
    asked = {
        name
        for path in (*DEPLOY.rglob("*.json"), *DEPLOY.rglob("*.yml"))
        for name in re.findall(r"\bald_recorder_(\w+)", path.read_text(encoding="utf-8"))
    }
    with site.anybody as client:
        client.get("/api/runs")
        text = client.get("/metrics").text
    # what has no error yet has no sample
    told = samples_of(text).keys() | set(re.findall(r"^# TYPE ald_recorder_(\w+)", text, flags=re.MULTILINE))
    assert asked
    assert {name for name in asked if name not in told} == set()


@pytest.mark.skipif(promtool.PROGRAM is None, reason=promtool.MISSING)
def test_promtool_has_nothing_to_say_against_it(site: Site) -> None:
    """Of the daemon's figures and of the api's own."""
    with site.anybody as client:
        client.get("/api/runs")
        assert promtool.complaints(client.get("/metrics").content) == ""


def test_a_route_is_a_template_whatever_was_asked_for(site: Site) -> None:
    """A path that anybody may type must not become a series."""
    with site.anybody as client:
        for path in ("/api/runs/4711", "/api/runs/4712", "/api/runs/rubbish", "/no/such/path", "/api/runs/4711/points"):
            client.get(path)
        client.request("RUBBISH", "/api/runs")
        counted = samples_of(client.get("/metrics").text)["http_request_duration_seconds_count"]
    of_route = {(labels["method"], labels["route"], labels["status"]): value for labels, value in counted}
    assert of_route["GET", "/api/runs/{run}", "404"] >= 2
    assert of_route["GET", "/api/runs/{run}", "422"] >= 1
    assert of_route["GET", "/api/runs/{run}/points", "404"] >= 1
    assert of_route["GET", "unmatched", "404"] >= 1
    assert {method for method, _, _ in of_route} <= {
        "GET",
        "POST",
        "other",
        "OPTIONS",
        "HEAD",
        "DELETE",
        "PUT",
        "PATCH",
    }
    assert all("4711" not in route and "such" not in route for _, route, _ in of_route)


async def test_while_the_recorder_is_away_the_api_tells_so_and_of_itself(make_config: Callable[..., Config]) -> None:
    """A scrape that failed would say nothing at all."""
    async with client_of(make_config()) as client:
        await client.get("/health/live")
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert AWAY in answer.text
    samples = samples_of(answer.text)
    assert "writer_up" not in samples
    assert samples["api_run_notices_heard"] == [({}, 0.0)]
    assert {labels["cache"] for labels, _ in samples["api_cache_misses_total"]} == {"run_list", "run", "summaries"}


async def test_a_recorder_of_an_older_release_is_told_as_far_as_it_tells(
    daemon: Daemon, make_config: Callable[..., Config]
) -> None:
    """One that knows no command ``metrics`` has a status all the same."""
    async with daemon.serving(), client_of(make_config()) as client:
        samples = samples_of((await client.get("/metrics")).text)
    assert samples["up"] == [({}, 1.0)]
    assert samples["writer_rows_total"] == [({}, 9_000.0)]
    assert "statement_duration_seconds_count" not in samples


async def test_a_slow_endpoint_is_named_in_the_log_and_a_stream_is_none() -> None:
    """Its template, not its path; of a stream only its beginning counts."""

    class Route:
        path = "/api/runs/{run}"

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        scope["route"] = Route()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", scope["kind"])]})
        await send({"type": "http.response.body", "body": b""})

    async def ignore(_message: Message) -> None:
        return

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    registry = CollectorRegistry()
    histogram = request_histogram(registry)
    for slow_s, named in ((-1.0, ["/api/runs/{run}"]), (60.0, [])):
        times = RequestTimes(app, histogram=histogram, slow_s=slow_s)
        with capture_logs() as logs:
            await times({"type": "http", "method": "GET", "kind": b"text/html"}, nothing, ignore)
        assert [entry["route"] for entry in logs if entry["event"] == "request_slow"] == named
    assert samples_of(generate_latest(registry).decode())["http_request_duration_seconds_count"] == [
        ({"method": "GET", "route": "/api/runs/{run}", "status": "200"}, 2.0)
    ]
