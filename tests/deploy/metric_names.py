"""Names at /metrics, as the api promises them: what rules and dashboard may ask for."""

from typing import Final

_GAUGES: Final = [
    "up",
    "info",
    "run_in_progress",
    "event_loop_lag_seconds",
    "device_up",
    "device_round_trip_seconds",
    "spool_bytes",
    "spool_max_bytes",
    "spool_entries",
    "spool_time_to_full_seconds",
    "spool_time_to_drain_seconds",
    "writer_up",
    "pool_connections",
    "pool_max_connections",
    "set_value_cache_age_seconds",
    "clock_synchronised",
    "clock_offset_seconds",
    "disk_used_ratio",
    "alarms",
    "api_streams",
    "daemon_resident_memory_bytes",
    "machine_memory_bytes",
]
_COUNTERS: Final = [
    "slots",
    "shed_slots",
    "lost_rows",
    "device_errors",
    "spool_shed_entries",
    "writer_rows",
    "quarantined_rows",
    "set_value_cache_hits",
    "set_value_cache_misses",
    "set_value_refreshes",
    "database_queries",
    "audit_failed_runs",
    "api_cache_hits",
    "api_cache_misses",
    "daemon_cpu_seconds",
]
_HISTOGRAMS: Final = ["stage_latency_seconds", "statement_duration_seconds", "http_request_duration_seconds"]

NAMES: Final = frozenset(
    f"ald_recorder_{name}"
    for name in (
        *_GAUGES,
        *(f"{name}_total" for name in _COUNTERS),
        *(f"{name}_{part}" for name in _HISTOGRAMS for part in ("bucket", "count", "sum")),
    )
)
