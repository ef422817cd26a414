"""What the daemon says of itself, as families of Prometheus. Pure: it is given the answer to ``metrics``.

Whatever a daemon of another version does not say is left out, and the rest is told all the same.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from hal.health import DeviceState
from recorder.writer.writer import WriterState

PREFIX: Final = "ald_recorder_"
Picture = Mapping[str, Any]
_STAGES: Final = ("read", "decode", "spool", "commit", "sample_to_commit")
_IDLE: Final = "idle"

_GAUGES: Final[Sequence[tuple[str, str, Callable[[Picture], Any]]]] = (
    ("run_in_progress", "Whether a run is recorded.", lambda at: int(_is_run(at["status"]["process"]))),
    ("spool_bytes", "Bytes in use of the spool's file.", lambda at: at["status"]["spool"]["used_bytes"]),
    ("spool_max_bytes", "Bytes that the spool's file may have.", lambda at: at["status"]["spool"]["max_bytes"]),
    ("spool_entries", "Entries that wait for the database.", lambda at: at["status"]["spool"]["entries"]),
    (
        "spool_time_to_full_seconds",
        "Until the spool is full if nothing leaves it; +Inf where nothing comes.",
        lambda at: _or_infinite(at["status"]["spool"]["time_to_full_s"]),
    ),
    (
        "spool_time_to_drain_seconds",
        "Until nothing waits; +Inf where it does not get less.",
        lambda at: _or_infinite(at["status"]["spool"]["time_to_drain_s"]),
    ),
    (
        "writer_up",
        "Whether the writer reaches the database.",
        lambda at: int(at["status"]["writer"]["state"] == WriterState.WRITING),
    ),
    ("pool_max_connections", "Connections that the pool may have.", lambda at: at["status"]["pool"]["max"]),
    (
        "set_value_cache_age_seconds",
        "Age of the oldest set-value that is served.",
        lambda at: at["status"]["set_values"]["oldest_s"],
    ),
    (
        "clock_synchronised",
        "Whether the clock is kept by NTP.",
        lambda at: int(at["status"]["clock"]["synchronised"]),
    ),
    (
        "clock_offset_seconds",
        "How far the recorder's time is from the wall clock.",
        lambda at: at["status"]["clock"]["offset_us"] / 1e6,
    ),
    (
        "disk_used_ratio",
        "Share of the disk of the data directory that is used.",
        lambda at: at["status"]["disk_used_percent"] / 100,
    ),
    ("daemon_resident_memory_bytes", "Memory of the daemon.", lambda at: at["process"]["resident_bytes"]),
    ("machine_memory_bytes", "Memory of the machine.", lambda at: at["process"]["machine_memory_bytes"]),
)
_COUNTERS: Final[Sequence[tuple[str, str, Callable[[Picture], Any]]]] = (
    ("lost_rows", "Points that were lost and accounted for.", lambda at: at["status"]["lost"]),
    (
        "shed_slots",
        "Slots whose rows were given up after they had ended, and are one of slots_total too.",
        lambda at: at["status"]["writer"]["shed_slots"],
    ),
    (
        "spool_shed_entries",
        "Entries given up because the spool was full.",
        lambda at: at["status"]["spool"]["shed_entries"],
    ),
    ("writer_rows", "Points that were committed.", lambda at: at["status"]["writer"]["rows"]),
    (
        "quarantined_rows",
        "Points that PostgreSQL refused for their content.",
        lambda at: at["status"]["writer"]["quarantined_rows"],
    ),
    ("set_value_cache_hits", "Set-values served without a query.", lambda at: at["status"]["set_values"]["hits"]),
    ("set_value_cache_misses", "Set-values that needed a query.", lambda at: at["status"]["set_values"]["misses"]),
    ("set_value_refreshes", "Refreshes of all set-values.", lambda at: at["status"]["set_values"]["refreshes"]),
    (
        "database_queries",
        "Statements that the daemon's pool ran.",
        lambda at: sum(sum(one["counts"]) for one in at["statements"]["of"].values()),
    ),
    (
        "audit_failed_runs",
        "Runs whose accounts did not balance.",
        lambda at: at["status"]["audit"]["not_balanced"],
    ),
    ("daemon_cpu_seconds", "CPU time of the daemon.", lambda at: at["process"]["cpu_s"]),
)


class DaemonMetrics(Collector):
    """The families of one scrape.

    Args:
        picture: the answer to ``metrics``; None where the daemon does not answer.
    """

    def __init__(self, picture: Picture | None) -> None:
        self._picture = picture

    def collect(self) -> Iterator[Metric]:
        """Whether the daemon answers, and what it says."""
        picture = self._picture
        yield GaugeMetricFamily(PREFIX + "up", "Whether the daemon answers.", value=int(picture is not None))
        if picture is None:
            return
        for name, text, find in _GAUGES:
            yield from _told(partial(_single, GaugeMetricFamily, name, text, find), picture)
        for name, text, find in _COUNTERS:
            yield from _told(partial(_single, CounterMetricFamily, name, text, find), picture)
        for make in (_info, _slots, _devices, _errors, _pool, _lag, _alarms, _stages, _statements):
            yield from _told(make, picture)


def _told(make: Callable[[Picture], Iterable[Metric]], picture: Picture) -> Sequence[Metric]:
    """The families that are made of a picture; none where it does not say what they need."""
    try:
        families = list(make(picture))
        samples = [sample for family in families for sample in family.samples]
        is_sound = all(isinstance(label, str) for sample in samples for label in sample.labels.values())
        for sample in samples:
            float(sample.value)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError):
        return ()
    return families if is_sound else ()


def _single(
    family: type[GaugeMetricFamily | CounterMetricFamily],
    name: str,
    text: str,
    find: Callable[[Picture], Any],
    picture: Picture,
) -> Sequence[Metric]:
    return [family(PREFIX + name, text, value=find(picture))]


def _or_infinite(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


def _is_run(process: Mapping[str, Any] | None) -> bool:
    return process is not None and process["kind"] != _IDLE


def _info(picture: Picture) -> Iterator[Metric]:
    family = GaugeMetricFamily(PREFIX + "info", "Who records what.", labels=("version", "python", "machine"))
    family.add_metric((picture["version"], picture["process"]["python"], picture["status"]["machine"]), 1)
    yield family


def _slots(picture: Picture) -> Iterator[Metric]:
    family = CounterMetricFamily(PREFIX + "slots", "Slots, each by how it ended at its scan.", labels=("outcome",))
    counted = dict.fromkeys(("completed", "late", "failed", "skipped"), 0)
    for _, outcome, _, slots in picture["slots"]:
        counted[outcome] = counted.get(outcome, 0) + slots
    for outcome, slots in counted.items():
        family.add_metric((outcome,), slots)
    yield family


def _devices(picture: Picture) -> Iterator[Metric]:
    up = GaugeMetricFamily(PREFIX + "device_up", "Whether a device is connected.", labels=("device",))
    round_trip = GaugeMetricFamily(
        PREFIX + "device_round_trip_seconds", "The last answer of a device took so long.", labels=("device",)
    )
    for device in picture["status"]["devices"]:
        up.add_metric((device["name"],), int(device["state"] == DeviceState.CONNECTED))
        if device["round_trip_ms"] is not None:
            round_trip.add_metric((device["name"],), device["round_trip_ms"] / 1000)
    yield from (up, round_trip)


def _errors(picture: Picture) -> Iterator[Metric]:
    family = CounterMetricFamily(
        PREFIX + "device_errors", "Slots in which a device brought nothing, by cause.", labels=("device", "cause")
    )
    for device, outcome, cause, slots in picture["slots"]:
        if outcome == "failed":
            family.add_metric((device, cause), slots)
    yield family


def _pool(picture: Picture) -> Iterator[Metric]:
    size, idle = picture["status"]["pool"]["size"], picture["status"]["pool"]["idle"]
    family = GaugeMetricFamily(PREFIX + "pool_connections", "Connections of the daemon's pool.", labels=("state",))
    family.add_metric(("used",), size - idle)
    family.add_metric(("idle",), idle)
    yield family


def _lag(picture: Picture) -> Iterator[Metric]:
    # a summary, since Prometheus knows a quantile of nothing else
    late = picture["status"]["event_loop_lag_ms"]["late"]
    family = SummaryMetricFamily(PREFIX + "event_loop_lag_seconds", "How late the daemon's event loop was.")
    for quantile, name in (("0.99", "p99"), ("1", "max")):
        family.add_sample(PREFIX + "event_loop_lag_seconds", {"quantile": quantile}, late[name] / 1000)
    yield family


def _alarms(picture: Picture) -> Iterator[Metric]:
    family = GaugeMetricFamily(PREFIX + "alarms", "Alarms by their state.", labels=("state",))
    for state, count in picture["status"]["alarms"].items():
        family.add_metric((state,), count)
    yield family


def _stages(picture: Picture) -> Iterator[Metric]:
    stages = picture["stages"]
    family = HistogramMetricFamily(
        PREFIX + "stage_latency_seconds", "How long each stage of a sample's way took.", labels=("stage",)
    )
    for stage in _STAGES:
        taken = stages["of"][stage]
        family.add_metric((stage,), _buckets(stages["bounds_s"], taken["counts_up_to"], taken["count"]), taken["sum_s"])
    yield family


def _statements(picture: Picture) -> Iterator[Metric]:
    statements = picture["statements"]
    yield statement_family("statement_duration_seconds", "How long statements took.", statements)


def statement_family(name: str, text: str, statements: Mapping[str, Any]) -> Metric:
    """The durations of statements by name: bounds, and of each statement counts and sum."""
    family = HistogramMetricFamily(PREFIX + name, text, labels=("statement",))
    for statement, taken in sorted(statements["of"].items()):
        up_to, total = [], 0
        for count in taken["counts"]:
            total += count
            up_to.append(total)
        family.add_metric((statement,), _buckets(statements["bounds_s"], up_to[:-1], total), taken["sum_s"])
    return family


def _buckets(bounds_s: Sequence[float], up_to: Iterable[int], count: int) -> list[tuple[str, float]]:
    return [*((f"{bound:g}", total) for bound, total in zip(bounds_s, up_to, strict=True)), ("+Inf", count)]
