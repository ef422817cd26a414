"""What is looked at while there is load: the api's event loop and processor time, and the slots of the recorder.

``/health/live`` asks neither database nor recorder and is answered whatever the limits are: what it takes is what the
api's event loop lets everyone wait, and this process, which is quiet, measures it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.load_connection import Client, LostError
from benchmarks.rig import Daemon

LIVENESS: Final = "/health/live"
_LOOK_S: Final = 0.1
_STATEMENTS: Final = "ald_recorder_api_statement_duration_seconds"
_CACHES: Final = "ald_recorder_api_cache_"


@dataclass(frozen=True, kw_only=True, slots=True)
class Slots:
    """Slots of the recorder over some time.

    Attributes:
        missed: that could not start, or failed.
    """

    seconds: float
    scheduled: int
    missed: int
    late: int


@dataclass(kw_only=True)
class Watched:
    """What was seen.

    Attributes:
        live_ms: how long each question for liveness took; one without an answer as long as was waited for it.
        lost: of them without an answer.
        api_share: processor time of the api, of one core.
        api_waiting_share: of the time, how much its main thread was ready and had no processor.
        daemon_share: processor time of the recorder, of one core.
        statement_ms: mean time of each statement of the api.
        hits: share of questions that each cache of the api answered.
    """

    live_ms: list[float] = field(default_factory=list)
    lost: int = 0
    api_share: float = 0.0
    api_waiting_share: float = 0.0
    daemon_share: float = 0.0
    statement_ms: dict[str, float] = field(default_factory=dict)
    hits: dict[str, float] = field(default_factory=dict)

    def live_percentile_ms(self, percent: float) -> float:
        """Of the event loop's waits."""
        return float(np.percentile(self.live_ms, percent)) if self.live_ms else 0.0


@asynccontextmanager
async def watching(port: int, api_pid: int, daemon: Daemon) -> AsyncIterator[Watched]:
    """Watch for as long as the block runs; what was seen is whole after it."""
    watched = Watched()
    api = Daemon(pid=api_pid, dsn="", folder=Path())
    began_s, waited_before_s = time.monotonic(), _waited_s(api_pid)
    api_before_s, daemon_before_s = api.cpu_s(), daemon.cpu_s()
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(_ask_for_life(port, watched))
        yield watched
        asking.cancel()
    seconds = time.monotonic() - began_s
    watched.api_share = (api.cpu_s() - api_before_s) / seconds
    watched.daemon_share = (daemon.cpu_s() - daemon_before_s) / seconds
    watched.api_waiting_share = (_waited_s(api_pid) - waited_before_s) / seconds
    await _read_metrics(port, watched)


async def slots_from(daemon: Daemon, before: Mapping[str, Any] | None, *, seconds: float) -> Slots:
    """Slots since an earlier status, or since the recorder began."""
    now = (await daemon.status())["scans"]
    then = now if before is None else before["scans"]
    counts = {name: now[name] - then[name] for name in ("scheduled", "failed", "skipped", "late")}
    return Slots(
        seconds=seconds,
        scheduled=counts["scheduled"],
        missed=counts["failed"] + counts["skipped"],
        late=counts["late"],
    )


def _waited_s(pid: int) -> float:
    """How long the main thread of a process was ready and had no processor; Linux, sched-stats."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9


async def _ask_for_life(port: int, watched: Watched) -> None:
    client = Client(port)
    try:
        while True:
            began_s = time.perf_counter()
            try:
                status, _ = await client.get(LIVENESS)
            except (OSError, TimeoutError, LostError):
                status = 0
            watched.live_ms.append(1000 * (time.perf_counter() - began_s))
            watched.lost += status != 200
            await asyncio.sleep(_LOOK_S)
    finally:
        client.close()


async def _read_metrics(port: int, watched: Watched) -> None:
    """What the api itself counted; nothing where it does not answer even now."""
    client = Client(port)
    try:
        _, body = await client.get("/metrics")
    except (OSError, TimeoutError, LostError):
        return
    finally:
        client.close()
    found = {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name.startswith((f"{_STATEMENTS}_sum", f"{_STATEMENTS}_count", _CACHES))
    }
    for (name, of), value in found.items():
        if name == f"{_STATEMENTS}_count" and value:
            watched.statement_ms[of] = 1000 * found[f"{_STATEMENTS}_sum", of] / value
        if name == f"{_CACHES}hits_total" and (asked := value + found[f"{_CACHES}misses_total", of]):
            watched.hits[of] = value / asked
