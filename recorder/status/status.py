"""One picture of the whole daemon, as plain data for the control socket."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hal.health import DeviceState
from recorder.acquisition.recording import Recording
from recorder.acquisition.setup import PlannedDevice
from recorder.alarms.alarms import Alarms
from recorder.audit.auditor import Auditor
from recorder.care.maintenance import disk_use_percent
from recorder.config.file import Config
from recorder.database import Database
from recorder.definitions.definitions import DefinitionSet
from recorder.runs.tally import RunTally
from recorder.set_values.desired import Desired
from recorder.status.loop_lag import LoopLag
from recorder.writer.writer import Writer


def line(*, planned: Sequence[PlannedDevice], recording: Recording, writer: Writer) -> str:
    """How the daemon is, in one line for people: what systemctl status shows."""
    process = recording.tracker.current
    run = "no run yet" if process is None else f"run {process.process_id} {process.kind} {process.recipe}".rstrip()
    there = sum(item.device.health.state is DeviceState.CONNECTED for item in planned)
    return (
        f"{run}; {there} of {len(planned)} devices connected; database {writer.state}; "
        f"{recording.spool.depth.entries} entries in the spool; "
        f"{recording.totals.lost_rows + writer.totals.lost_rows} rows lost"
    )


def picture(
    *,
    config: Config,
    definitions: DefinitionSet,
    definitions_source: str,
    planned: Sequence[PlannedDevice],
    recording: Recording,
    writer: Writer,
    auditor: Auditor,
    desired: Desired,
    alarms: Alarms,
    database: Database,
    tally: RunTally,
    lag: LoopLag,
) -> dict[str, Any]:
    """Everything a console or script asks for; times in milliseconds where the name says so."""
    process = recording.tracker.current
    depth = recording.spool.depth
    size, idle = database.size
    totals = recording.totals
    now_ns = recording.clock.monotonic_ns()
    return {
        "state": "recording",
        "pid": os.getpid(),
        "machine": config.recorder.machine,
        "process": None
        if process is None
        else {**asdict(process), "step": recording.tracker.step, "cycle": recording.tracker.cycle},
        "devices": [
            {
                "name": item.device.name,
                "state": health.state,
                "last_error": health.last_error,
                "round_trip_ms": None if health.round_trip_ns is None else health.round_trip_ns / 1e6,
                "next_try_ms": None if health.next_try_ns is None else (health.next_try_ns - now_ns) / 1e6,
                "plans": {
                    str(interval_ms): {"parameters": len(plan.parameters), "requests": len(plan.blocks)}
                    for interval_ms, plan in item.plans.items()
                },
                "load_percent": None if item.load is None else round(100 * item.load.share, 1),
                "frozen": item.watch.is_frozen,
                "refused": [str(hole) for hole in item.device.holes],
            }
            for item in planned
            for health in (item.device.health,)
        ],
        "requests_per_scan": sum(len(plan.blocks) for item in planned for plan in item.plans.values()),
        "scans": asdict(totals),
        "lost": totals.lost_rows + writer.totals.lost_rows,
        "run_slots": tally.picture,
        "latency_ms": recording.latency.summary_ms(),
        "recent_latency_ms": recording.latency.recent_ms(),
        "event_loop_lag_ms": lag.picture_ms(),
        "spool": {
            "entries": depth.entries,
            "bytes": depth.bytes,
            "max_bytes": config.spool.max_mib * 1024 * 1024,
            "used_bytes": recording.spool.used_bytes,
            "shed_entries": recording.spool.shed_entries,
            "time_to_full_s": recording.spool.time_to_full_s,
            "time_to_drain_s": recording.spool.time_to_drain_s,
        },
        "writer": {
            "state": writer.state,
            "last_error": writer.last_error,
            "epoch": writer.epoch,
            **asdict(writer.totals),
        },
        "audit": auditor.picture,
        "alarms": alarms.counts,
        "first_alarm": alarms.first,
        "set_values": desired.picture(),
        "pool": {"size": size, "idle": idle, "max": config.database.pool_max},
        "queries_a_minute": database.times.rate.picture(),
        "clock": {"synchronised": recording.tracker.context.clock_synchronised, "offset_us": recording.clock.offset_us},
        "definitions": {
            "parameters": len(definitions.definitions),
            "readable": len(definitions.readable),
            "version": definitions.version,
            "source": definitions_source,
        },
        "disk_used_percent": round(disk_use_percent(config.recorder.data_directory), 1),
    }
