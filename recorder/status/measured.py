"""What `/metrics` shows of the daemon, as one answer of the control socket.

A command of its own: consoles ask for the status every second, and none of them wants histograms.
"""

from collections.abc import Mapping
from importlib import metadata
from typing import Any, Final

from recorder.acquisition.slot_counters import SlotCounters
from recorder.control import Handler
from recorder.database import Database
from recorder.database.statement_times import BOUNDS_S
from recorder.status.latency import BOUNDS_US, LatencyRecorder
from recorder.status.process_figures import process_figures

PROGRAM: Final = "ald-recorder"


def metrics_handler(
    status: Handler, *, latency: LatencyRecorder, database: Database, slots: SlotCounters
) -> dict[str, Handler]:
    """What answers the control command ``metrics``: the status, and beside it what only grows since the start."""

    async def metrics(request: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "status": await status(request),
            "version": metadata.version(PROGRAM),
            "slots": slots.picture,
            "stages": {"bounds_s": [bound / 1e6 for bound in BOUNDS_US], "of": latency.coarse()},
            "statements": {"bounds_s": list(BOUNDS_S), "of": database.times.picture()},
            "process": process_figures(),
        }

    return {"metrics": metrics}
