"""What the daemon says as families of Prometheus, whatever it says and leaves out."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from recorder.api.metrics_daemon import DaemonMetrics
from recorder.database.statement_times import BOUNDS_S, StatementTimes
from recorder.status.latency import BOUNDS_US, STAGES, LatencyRecorder
from tests.api import promtool


def picture() -> dict[str, Any]:
    """A daemon that records, with one device that is away."""
    latency, times = LatencyRecorder(), StatementTimes()
    for milliseconds in (1, 3, 700):
        latency.record("commit", milliseconds * 1_000_000)
        times.add("advance_stream", milliseconds / 1000)
    return {
        "version": "0.1.0",
        "slots": [
            ["hot", "completed", "", 90],
            ["hot", "late", "", 2],
            ["plc", "completed", "", 10],
            ["plc", "failed", "timeout", 5],
            ["plc", "failed", 'no "route"\nto host', 3],
            ["plc", "skipped", "overrun", 1],
        ],
        "stages": {"bounds_s": [bound / 1e6 for bound in BOUNDS_US], "of": latency.coarse()},
        "statements": {"bounds_s": list(BOUNDS_S), "of": times.picture()},
        "process": {"resident_bytes": 90e6, "cpu_s": 12.5, "machine_memory_bytes": 8e9, "python": "3.11.2"},
        "status": {
            "state": "recording",
            "machine": 'ALD "1"',
            "process": {"kind": "recipe"},
            "devices": [
                {"name": "plc", "state": "backing_off", "round_trip_ms": None},
                {"name": "hot", "state": "connected", "round_trip_ms": 1.5},
            ],
            "lost": 7,
            "event_loop_lag_ms": {"late": {"count": 10, "p50": 0.1, "p95": 0.2, "p99": 1.5, "max": 20.0}},
            "spool": {
                "entries": 4,
                "bytes": 100,
                "max_bytes": 2_147_483_648,
                "used_bytes": 40_960,
                "shed_entries": 0,
                "time_to_full_s": None,
                "time_to_drain_s": 1.25,
            },
            "writer": {"state": "writing", "rows": 9000, "quarantined_rows": 1, "shed_slots": 6},
            "audit": {"latest": None, "not_balanced": 1},
            "set_values": {"hits": 99, "misses": 1, "refreshes": 3, "oldest_s": 12.0},
            "pool": {"size": 5, "idle": 4, "max": 20},
            "clock": {"synchronised": True, "offset_us": -1500},
            "disk_used_percent": 42.0,
            "alarms": {"normal": 3, "unacknowledged": 1},
        },
    }


def text_of(said: Mapping[str, Any] | None) -> bytes:
    """As Prometheus reads it."""
    registry = CollectorRegistry()
    registry.register(DaemonMetrics(said))
    return generate_latest(registry)


def samples_of(said: Mapping[str, Any] | None) -> dict[tuple[str, ...], float]:
    """Name, without its prefix, and values of its labels, of each sample."""
    return {
        (sample.name.removeprefix("ald_recorder_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text_of(said).decode())
        for sample in family.samples
    }


def test_everything_is_told_in_base_units() -> None:
    """Seconds, bytes and ratios."""
    samples = samples_of(picture())
    expected = {
        ("up",): 1,
        ("info", 'ALD "1"', "3.11.2", "0.1.0"): 1,
        ("run_in_progress",): 1,
        ("slots_total", "completed"): 100,
        ("slots_total", "late"): 2,
        ("slots_total", "failed"): 8,
        ("slots_total", "skipped"): 1,
        ("shed_slots_total",): 6,
        ("lost_rows_total",): 7,
        ("device_up", "plc"): 0,
        ("device_up", "hot"): 1,
        ("device_round_trip_seconds", "hot"): 0.0015,
        ("device_errors_total", "timeout", "plc"): 5,
        ("event_loop_lag_seconds", "0.99"): 0.0015,
        ("event_loop_lag_seconds", "1"): 0.02,
        ("spool_bytes",): 40_960,
        ("spool_time_to_full_seconds",): math.inf,
        ("spool_time_to_drain_seconds",): 1.25,
        ("writer_up",): 1,
        ("writer_rows_total",): 9000,
        ("pool_connections", "used"): 1,
        ("pool_connections", "idle"): 4,
        ("pool_max_connections",): 20,
        ("set_value_cache_hits_total",): 99,
        ("database_queries_total",): 3,
        ("clock_offset_seconds",): -0.0015,
        ("disk_used_ratio",): 0.42,
        ("audit_failed_runs_total",): 1,
        ("alarms", "unacknowledged"): 1,
        ("stage_latency_seconds_count", "commit"): 3,
        ("stage_latency_seconds_sum", "commit"): 0.704,
        ("stage_latency_seconds_count", "read"): 0,
        ("statement_duration_seconds_count", "advance_stream"): 3,
        ("daemon_resident_memory_bytes",): 90e6,
        ("daemon_cpu_seconds_total",): 12.5,
        ("machine_memory_bytes",): 8e9,
    }
    assert {key: samples.get(_ordered(key, samples)) for key in expected} == pytest.approx(expected)
    assert ("device_round_trip_seconds", "plc") not in samples


def _ordered(key: tuple[str, ...], samples: Mapping[tuple[str, ...], float]) -> tuple[str, ...]:
    """The key of a sample whatever the order of its labels."""
    return next((found for found in samples if found[0] == key[0] and set(found) == set(key)), key)


def test_buckets_only_grow_and_end_with_all() -> None:
    """As a histogram of Prometheus must."""
    for family in text_string_to_metric_families(text_of(picture()).decode()):
        if family.type != "histogram":
            continue
        by_label: dict[str, list[float]] = {}
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                by_label.setdefault(sample.labels.get("stage", sample.labels.get("statement", "")), []).append(
                    sample.value
                )
        for name, counts in by_label.items():
            assert counts == sorted(counts)
            assert counts[-1] == (3 if name in {"commit", "advance_stream"} else 0)


def test_a_daemon_that_is_away_is_down_and_nothing_else() -> None:
    """Yesterday's figures would look like today's."""
    assert samples_of(None) == {("up",): 0}


def without(said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same picture with each of its parts left out, or of another kind."""
    others: tuple[Any, ...] = (None, "rubbish", 7, [1], {})
    for place in (said, said["status"]):
        for key in tuple(place):
            for other in others:
                before = place[key]
                place[key] = other
                yield said
                place[key] = before
            kept = place.pop(key)
            yield said
            place[key] = kept


def test_what_a_daemon_of_another_version_says_never_breaks_a_scrape() -> None:
    """What is missing is left out; the rest is told."""
    whole = len(samples_of(picture()))
    for said in without(picture()):
        samples = samples_of(said)
        assert samples["up",] == 1
        assert 0 < len(samples) <= whole
    assert samples_of({"status": picture()["status"]})["writer_up",] == 1


@pytest.mark.skipif(promtool.PROGRAM is None, reason=promtool.MISSING)
def test_promtool_has_nothing_to_say_against_it() -> None:
    """Names, units, types and help."""
    assert promtool.complaints(text_of(picture())) == ""


def test_stages_are_those_of_a_samples_way() -> None:
    """Each of them is one that the daemon measures."""
    stages = {key[1] for key in samples_of(picture()) if key[0] == "stage_latency_seconds_count"}
    assert stages == {"read", "decode", "spool", "commit", "sample_to_commit"} < set(STAGES)
