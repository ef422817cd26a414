"""Every fault of the communication, through the real recorder: what is stored says what happened, and it recovers."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from hal.quality import Quality
from simulator import SimulatedTool, definitions_path
from simulator.response_log import read_responses
from simulator.station import ServeOptions
from tests.system.bench import Bench, bench

PRESSURE = "Process/chamber_pressure"
HEARTBEAT = "Process/heartbeat"
FAST_MS = 20
REQUEST_TIMEOUT_S = 0.75
"""Long enough for a machine that stands still for a moment, short enough to be waited for."""
HEALTHY, BROKEN = 3, 4
RECOVERY_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault, and what the recorder must make of it.

    Attributes:
        first: quality of the first scan in which the fault is met.
        cause: of its slot.
        later: qualities that the following ones may have besides: the connection is gone until it is made anew.
    """

    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    first: frozenset[Quality]
    cause: str
    later: frozenset[Quality] = frozenset({Quality.NOT_CONNECTED})


BROKEN_OFF = frozenset({Quality.NOT_CONNECTED})
NO_DATA = frozenset({Quality.COMMUNICATION_FAILURE})
REFUSED = frozenset({Quality.REFUSED})
CASES = (
    Case(name="dropped", first=BROKEN_OFF, cause="not_connected"),
    Case(name="cut", first=BROKEN_OFF, cause="not_connected"),
    Case(name="half_open", first=NO_DATA, cause="timeout"),
    Case(name="refused", first=BROKEN_OFF, cause="not_connected"),
    Case(name="late", fields={"seconds": 2.0}, first=NO_DATA, cause="timeout"),
    Case(name="exception", fields={"code": 2}, first=REFUSED, cause="refused", later=frozenset()),
    Case(name="exception", fields={"code": 3}, first=REFUSED, cause="refused", later=frozenset()),
    # a failure and a busy device may pass, so they are not the address's fault
    Case(name="exception", fields={"code": 4}, first=NO_DATA, cause="refused", later=frozenset()),
    Case(name="exception", fields={"code": 6}, first=NO_DATA, cause="refused", later=frozenset()),
    Case(name="garbled", first=NO_DATA, cause="malformed"),
    Case(name="short", first=NO_DATA, cause="malformed"),
    Case(name="wrong_transaction", first=NO_DATA, cause="malformed"),
    Case(name="wrong_unit", first=NO_DATA, cause="malformed"),
)


def recorder(database_url: str, folder: Path, tool: SimulatedTool) -> Any:
    """A bench on a tool."""
    return bench(
        database_url,
        folder,
        definitions_path(),
        host="127.0.0.1",
        port=tool.description.port,
        request_timeout_s=REQUEST_TIMEOUT_S,
    )


async def healthy_again(recording: Bench, tool: SimulatedTool) -> None:
    """Mend everything, and record until the recorder is served; what was refused is tried again after a second."""
    tool.station.board.clear()
    deadline_s = monotonic() + RECOVERY_S
    while monotonic() < deadline_s:
        await recording.device.wait_connected()
        await recording.record(slots=1, interval_ms=FAST_MS)
        if (await recording.stored(PRESSURE))[-1].quality == Quality.GOOD:
            return
    raise AssertionError("the recorder did not recover")


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join([case.name, *map(str, case.fields.values())]))
async def test_a_fault_on_the_wire_is_told_by_the_quality_and_leaves_no_value(
    database_url: str, tmp_path: Path, case: Case
) -> None:
    """Good, then bad by its cause with NULL for the value, then good again without a restart of anything."""
    async with SimulatedTool(port=0, speed=10) as tool, recorder(database_url, tmp_path, tool) as recording:
        await recording.record(slots=HEALTHY, interval_ms=FAST_MS)
        tool.station.inject({"name": case.name, **case.fields})
        await recording.record(slots=BROKEN, interval_ms=FAST_MS)
        await healthy_again(recording, tool)
        stored = await recording.stored(PRESSURE)
        slots = await recording.slots()
    assert {point.quality for point in stored[:HEALTHY]} == {Quality.GOOD}
    broken = stored[HEALTHY : HEALTHY + BROKEN]
    assert broken[0].quality in case.first
    assert {point.quality for point in broken} <= case.first | case.later
    assert {point.value for point in broken} == {None}
    assert stored[-1].quality == Quality.GOOD
    assert stored[-1].value is not None
    assert slots["failed", case.cause] >= 1
    assert sum(slots.values()) == len(stored)


async def test_answers_that_are_slow_but_in_time_are_good(database_url: str, tmp_path: Path) -> None:
    """100 ms later than usual, within the recorder's deadline: nothing is lost and nothing is said."""
    async with SimulatedTool(port=0, speed=10) as tool, recorder(database_url, tmp_path, tool) as recording:
        tool.station.inject({"name": "slow", "seconds": 0.1})
        await recording.record(slots=3, interval_ms=FAST_MS)
        assert (recording.device.health.round_trip_ns or 0) >= 100_000_000
        assert {point.quality for point in await recording.stored(PRESSURE)} == {Quality.GOOD}


async def test_swapped_words_are_told_where_a_signal_has_a_range(database_url: str, tmp_path: Path) -> None:
    """The pressure is then far from 0…10 Torr in most scans; whole words such as the heartbeat stay what they are."""
    async with SimulatedTool(port=0, speed=100) as tool, recorder(database_url, tmp_path, tool) as recording:
        tool.station.inject({"name": "word_swap"})
        await recording.record(slots=20, interval_ms=FAST_MS, real_time_s=0.005)
        pressures = await recording.stored(PRESSURE)
        beats = await recording.stored(HEARTBEAT)
    told = {Quality.OUT_OF_RANGE, Quality.SENSOR_FAILURE}
    assert sum(point.quality in told for point in pressures) >= 5
    assert {point.quality for point in beats} == {Quality.GOOD}


async def test_a_frozen_plc_is_on_record_by_its_heartbeat(database_url: str, tmp_path: Path) -> None:
    """While frozen every value is stored as it was read, and the heartbeat beside it does not move."""
    async with SimulatedTool(port=0, speed=100) as tool, recorder(database_url, tmp_path, tool) as recording:
        await recording.record(slots=3, interval_ms=FAST_MS, real_time_s=0.02)
        tool.station.inject({"name": "frozen"})
        await recording.record(slots=5, interval_ms=FAST_MS, real_time_s=0.02)
        frozen_at = tool.state.step_index
        tool.station.board.clear()
        await tool.wait_for(lambda state: state.step_index > frozen_at + 10)
        await recording.record(slots=1, interval_ms=FAST_MS)
        beats = [point.value for point in await recording.stored(HEARTBEAT)]
        pressures = [point.value for point in await recording.stored(PRESSURE)]
    assert len(set(beats[:3])) == 3
    assert len(set(beats[3:8])) == 1
    assert len(set(pressures[3:8])) == 1
    assert beats[8] != beats[7]


async def test_a_restart_of_the_plc_is_a_gap_and_counters_that_begin_at_0(database_url: str, tmp_path: Path) -> None:
    """The run counter was 1; then there is no connection; then it is 0, and the clock is behind where it was."""
    async with (
        SimulatedTool(port=0, speed=10, auto_start=True) as tool,
        recorder(database_url, tmp_path, tool) as recording,
    ):
        await tool.wait_for(lambda state: state.run.counter == 1 and state.step_index > 200)
        await recording.record(slots=2, interval_ms=FAST_MS)
        tool.station.inject({"name": "plc_restart", "for_s": 1.0})
        await recording.record(slots=2, interval_ms=FAST_MS)
        await healthy_again(recording, tool)
        counters = await recording.stored("Process/run_counter")
        clocks = await recording.stored("Process/clock")
    assert [point.value for point in counters[:2]] == [1.0, 1.0]
    assert {point.quality for point in counters[2:4]} == {Quality.NOT_CONNECTED}
    assert counters[-1].value == 0.0
    assert (clocks[-1].value or 0) < (clocks[0].value or 0)


async def test_what_is_stored_is_what_the_log_of_responses_says_was_sent(database_url: str, tmp_path: Path) -> None:
    """Scan for scan: as many good ones as true answers of the block, each with the heartbeat that was sent."""
    log = tmp_path / "responses.bin"
    options = ServeOptions(port=0, response_log=log)
    async with SimulatedTool(speed=100, options=options) as tool, recorder(database_url, tmp_path, tool) as recording:
        await recording.record(slots=10, interval_ms=FAST_MS, real_time_s=0.005)
        tool.station.inject({"name": "exception", "code": 6, "answers": 2})
        await recording.record(slots=10, interval_ms=FAST_MS, real_time_s=0.005)
        beats = await recording.stored(HEARTBEAT)
    sent = list(read_responses(log))
    assert len(sent) == 20
    assert [response.is_altered for response in sent] == [False] * 10 + [True] * 2 + [False] * 8
    assert [response.words[3] if response.words else None for response in sent] == [point.value for point in beats]
    assert all(a.step <= b.step and a.monotonic_ns < b.monotonic_ns for a, b in pairwise(sent))
