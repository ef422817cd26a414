"""The process that makes the load: clients, searches and streams, and how late its own event loop was.

``python -m benchmarks.load_generator`` takes port and shape as one JSON object on its command line, and prints what
it met with as another.
"""

import asyncio
import json
import random
import re
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np

from benchmarks.load_connection import Client, LostError, Stream
from benchmarks.load_shape import Shape
from recorder.cli.app import run_async
from recorder.status.loop_lag import LoopLag

SEARCH: Final = "/api/runs?search="
PAGE: Final = "/api/runs"
RUN: Final = "/api/runs/{run}"
VALUES: Final = "/api/values"
STATUS: Final = "/api/status"
METRICS: Final = "/metrics"
_TURNS: Final = (PAGE, VALUES, RUN, STATUS, PAGE, RUN, VALUES, STATUS, METRICS, RUN)
"""What a client asks for, in this order and again; each begins elsewhere in it."""
_FIRST_PAGE: Final = 20
_STREAMS_A_SECOND: Final = 100.0
_STREAM_TIMEOUT_S: Final = 20.0
_MOST_SEARCHES: Final = 500
"""Under way at one time; beyond, a search is not sent and counted as an error: open files are not for ever."""
_POOL: Final = re.compile(rb'^ald_recorder_api_pool_connections\{state="used"\} (\S+)', re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Met:
    """What came of the questions to one endpoint, those without an answer included.

    Attributes:
        errors: how many by status, or by what happened in place of one.
    """

    asked: int
    p50_ms: float
    p95_ms: float
    longest_ms: float
    errors: Mapping[str, int]

    @classmethod
    def of(cls, times_ms: Sequence[float], errors: Mapping[str, int]) -> "Met":
        """Of so many times."""
        p50_ms, p95_ms, longest_ms = np.percentile(times_ms, (50, 95, 100)) if times_ms else (0.0, 0.0, 0.0)
        return cls(
            asked=len(times_ms),
            p50_ms=float(p50_ms),
            p95_ms=float(p95_ms),
            longest_ms=float(longest_ms),
            errors=dict(errors),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Generated:
    """All that the generator met with.

    Attributes:
        endpoints: by path.
        streams_kept: that were open to the end.
        stream_errors: of the others.
        events: of all streams, and seconds over which they were counted.
        away: events that said that the recorder was not heard.
        silence_ms: longest silence of each stream: the median and the longest.
        late_ms: how late the generator's own event loop was, 95th percentile; it is part of every time.
        cpu_share: of one core.
        pool_used: connections of the api's pool in use, at each look by `/metrics`.
    """

    seconds: float
    together: Met
    endpoints: Mapping[str, Met]
    streams_kept: int
    stream_errors: Mapping[str, int]
    events: int
    away: int
    silence_ms: tuple[float, float]
    late_ms: float
    longest_late_ms: float
    cpu_share: float
    pool_used: Sequence[int]


@dataclass(kw_only=True)
class _Load:
    port: int
    shape: Shape
    times_ms: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    pool_used: list[int] = field(default_factory=list)
    _free: list[Client] = field(default_factory=list)
    _searching: int = 0

    async def client(self, number: int, began_s: float) -> None:
        """One client for its span: it asks, waits for the answer, looks at it, and asks for something else."""
        chance = random.Random(number)
        loop = asyncio.get_running_loop()
        begins_s, ends_s = self.shape.span_s(number)
        client = Client(self.port)
        await asyncio.sleep(began_s + begins_s - loop.time())
        turn = number
        try:
            while loop.time() < began_s + ends_s:
                endpoint = _TURNS[turn % len(_TURNS)]
                path = f"/api/runs/{_run(chance, self.shape.runs)}" if endpoint == RUN else endpoint
                await self._ask(client, endpoint, path, loop.time())
                turn += 1
                await asyncio.sleep(self.shape.pause_s * chance.uniform(0.5, 1.5))
        finally:
            client.close()

    async def search(self, began_s: float) -> None:
        """Searches at their times, whatever becomes of those before."""
        chance = random.Random(0)
        loop = asyncio.get_running_loop()
        pause_s = 60 / self.shape.searches_a_minute
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(self.shape.seconds / pause_s)):
                due_s = began_s + number * pause_s
                await asyncio.sleep(due_s - loop.time())
                if self._searching >= _MOST_SEARCHES:
                    self.times_ms[SEARCH].append(0.0)
                    self.errors[SEARCH]["not sent"] += 1
                    continue
                tasks.create_task(self._search(_words(chance, self.shape.runs), due_s))
        for client in self._free:
            client.close()

    async def _search(self, words: str, due_s: float) -> None:
        self._searching += 1
        client = self._free.pop() if self._free else Client(self.port)
        await self._ask(client, SEARCH, SEARCH + words, due_s)
        self._free.append(client)
        self._searching -= 1

    async def _ask(self, client: Client, endpoint: str, path: str, due_s: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            status, body = await client.get(path)
        except TimeoutError:
            self.errors[endpoint]["time-out"] += 1
        except LostError:
            self.errors[endpoint]["connection lost"] += 1
        except OSError:
            self.errors[endpoint]["not reached"] += 1
        else:
            if status != 200:
                self.errors[endpoint][str(status)] += 1
            elif endpoint == METRICS and (used := _POOL.search(body)) is not None:
                self.pool_used.append(int(float(used[1])))
        self.times_ms[endpoint].append((loop.time() - due_s) * 1000)


def _run(chance: random.Random, runs: int) -> int:
    """Which run people open: half of them one of the first page, the others any of the history."""
    return chance.randint(max(1, runs - _FIRST_PAGE), runs) if chance.random() < 0.5 else chance.randint(1, runs)


def _words(chance: random.Random, runs: int) -> str:
    """What people look for: mostly one lot or wafer, which no answer that is kept has, and at times what many have."""
    number = chance.randint(1, runs)
    rare: tuple[Callable[[], str], ...] = (
        lambda: f"lot-{number:05d}",
        lambda: f"{number:x}",
        lambda: f"-{number % 997}",
    )
    often = ("Ada", "Al2O3", "cleaning", "nothing+has+this")
    return chance.choice(rare)() if chance.random() < 0.7 else chance.choice(often)


async def _open_streams(load: _Load) -> list[Stream]:
    """All of them, evenly over some seconds, as people open a page."""
    loop = asyncio.get_running_loop()
    streams: list[Stream] = []
    began_s = loop.time()
    for number in range(load.shape.streams):
        await asyncio.sleep(began_s + number / _STREAMS_A_SECOND - loop.time())
        stream = Stream()
        streams.append(stream)
        try:
            async with asyncio.timeout(_STREAM_TIMEOUT_S):
                await loop.create_connection(lambda stream=stream: stream, "127.0.0.1", load.port)  # type: ignore[misc]
        except (OSError, TimeoutError):
            stream.is_lost = True
            stream.begun.set()
    try:
        async with asyncio.timeout(_STREAM_TIMEOUT_S):
            for stream in streams:
                await stream.begun.wait()
    except TimeoutError:
        pass  # those that have no answer say so themselves
    return streams


async def generate(port: int, shape: Shape) -> Generated:
    """Make the whole load."""
    load = _Load(port=port, shape=shape)
    lag = LoopLag()
    loop = asyncio.get_running_loop()
    streams = await _open_streams(load)
    events_before = sum(stream.events for stream in streams)
    cpu_before_s, began_s = time.process_time(), loop.time()
    async with asyncio.TaskGroup() as tasks:
        measuring = tasks.create_task(lag.run())
        async with asyncio.TaskGroup() as asking:
            asking.create_task(load.search(began_s))
            for number in range(shape.most_clients):
                asking.create_task(load.client(number, began_s))
        measuring.cancel()
    seconds = loop.time() - began_s
    cpu_share = (time.process_time() - cpu_before_s) / seconds
    faults = Counter(stream.fault for stream in streams if stream.fault is not None)
    silences_ms = [1000 * stream.longest_silence_s for stream in streams] or [0.0]
    for stream in streams:
        if stream.transport is not None:
            stream.transport.abort()
    late = lag.picture_ms()["late"]
    errors_together: Counter[str] = Counter()
    for errors in load.errors.values():
        errors_together.update(errors)
    return Generated(
        seconds=seconds,
        together=Met.of([each for times in load.times_ms.values() for each in times], errors_together),
        endpoints={name: Met.of(times, load.errors[name]) for name, times in load.times_ms.items()},
        streams_kept=shape.streams - faults.total(),
        stream_errors=dict(faults),
        events=sum(stream.events for stream in streams) - events_before,
        away=sum(stream.away for stream in streams),
        silence_ms=(float(np.median(silences_ms)), max(silences_ms)),
        late_ms=late["p95"],
        longest_late_ms=late["max"],
        cpu_share=cpu_share,
        pool_used=load.pool_used,
    )


def main(arguments: Sequence[str]) -> None:
    """The process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    told = json.loads(arguments[0])
    shape = Shape(**{**told["shape"], "stages": tuple(tuple(stage) for stage in told["shape"]["stages"])})
    print(json.dumps(asdict(run_async(generate(told["port"], shape)))))


if __name__ == "__main__":
    main(sys.argv[1:])
