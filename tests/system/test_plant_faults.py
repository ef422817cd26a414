"""Every fault of the plant, through the real recorder: what is stored shows what the fault table says is seen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hal.quality import Quality
from simulator import SimulatedTool, definitions_path
from tests.system.bench import Bench, Point, bench

FAST_MS, SLOW_MS = 20, 100
PRESSURE = "Process/chamber_pressure"


@asynccontextmanager
async def recorded(
    database_url: str, folder: Path, *, auto_start: bool = False
) -> AsyncIterator[tuple[SimulatedTool, Bench]]:
    """A tool at 50 times its speed, and a recorder on it."""
    async with (
        SimulatedTool(port=0, speed=50, seed=1, auto_start=auto_start) as tool,
        bench(database_url, folder, definitions_path(), host="127.0.0.1", port=tool.description.port) as recording,
    ):
        yield tool, recording


async def after(tool: SimulatedTool, seconds: float) -> None:
    """Let so much of the tool's time pass."""
    due = tool.state.step_index + round(seconds * 100)
    await tool.wait_for(lambda state: state.step_index >= due)


async def after_pulses(tool: SimulatedTool, count: int) -> None:
    """Wait until valve 1 has made so many pulses and their latched peak stands."""
    await tool.wait_for(lambda state: state.valves[0].pulse_count >= count)
    await after(tool, 1.0)


async def value(recording: Bench, name: str) -> float:
    """The newest stored value, which must be there."""
    newest = (await recording.stored(name))[-1]
    assert newest.value is not None
    return newest.value


async def newest(recording: Bench, name: str) -> Point:
    """The newest stored point."""
    return (await recording.stored(name))[-1]


async def test_a_valve_that_sticks_counts_on_without_pressure(database_url: str, tmp_path: Path) -> None:
    """The counter on record moves; the latched peak is that of the base."""
    async with recorded(database_url, tmp_path, auto_start=True) as (tool, recording):
        await recording.record(slots=1, interval_ms=FAST_MS)
        base = await value(recording, PRESSURE)
        await after_pulses(tool, 1)
        await recording.record(slots=1, interval_ms=FAST_MS)
        good = await value(recording, "Valve 1/peak") - base
        tool.station.inject({"name": "valve_stuck_closed", "on": "Valve 1"})
        count = tool.state.valves[0].pulse_count
        await after_pulses(tool, count + 1)
        await recording.record(slots=1, interval_ms=FAST_MS)
        assert await value(recording, "Valve 1/pulse_count") > count
        assert await value(recording, "Valve 1/peak") - base < 0.2 * good


async def test_an_empty_bottle_gives_ever_lower_pulses(database_url: str, tmp_path: Path) -> None:
    """The peak on record falls from cycle to cycle: what is left in the bottle's volume is all there is."""
    async with recorded(database_url, tmp_path, auto_start=True) as (tool, recording):
        await recording.record(slots=1, interval_ms=FAST_MS)
        base = await value(recording, PRESSURE)
        await after_pulses(tool, 1)
        await recording.record(slots=1, interval_ms=FAST_MS)
        tool.station.inject({"name": "bottle_empty", "on": "Precursor 1"})
        heights = [await value(recording, "Valve 1/peak") - base]
        for pulses in (6, 12, 18):
            await after_pulses(tool, pulses)
            await recording.record(slots=1, interval_ms=FAST_MS)
            heights.append(await value(recording, "Valve 1/peak") - base)
    assert heights[0] > heights[1] > heights[2] > heights[3]
    assert heights[-1] < 0.9 * heights[0]


@pytest.mark.parametrize(
    "fields",
    [{"name": "valve_leaking", "on": "Valve 1", "torr_l_s": 0.2}, {"name": "chamber_leak", "torr_l_s": 0.2}],
    ids=lambda fields: fields["name"],
)
async def test_a_leak_raises_the_base_pressure(database_url: str, tmp_path: Path, fields: dict[str, object]) -> None:
    """By the leak over the pumping speed: well above the gauge's noise."""
    async with recorded(database_url, tmp_path) as (tool, recording):
        await recording.record(slots=1, interval_ms=FAST_MS)
        before = await value(recording, PRESSURE)
        tool.station.inject(fields)
        await after(tool, 20.0)
        await recording.record(slots=1, interval_ms=FAST_MS)
        assert await value(recording, PRESSURE) > before + 0.005
        tool.station.board.clear()
        await after(tool, 30.0)
        await recording.record(slots=1, interval_ms=FAST_MS)
        assert await value(recording, PRESSURE) == pytest.approx(before, abs=0.005)


async def test_an_open_thermocouple_is_a_sensor_failure_at_full_output(database_url: str, tmp_path: Path) -> None:
    """The sentinel is stored as a bad NULL; the output beside it is 100 %."""
    async with recorded(database_url, tmp_path) as (tool, recording):
        tool.station.inject({"name": "thermocouple_open", "on": "Chamber Heater"})
        await after(tool, 5.0)
        await recording.record(slots=1, interval_ms=SLOW_MS)
        assert await newest(recording, "Chamber Heater/temperature_read") == Point(
            value=None, quality=Quality.SENSOR_FAILURE
        )
        assert await value(recording, "Chamber Heater/pid_output") == pytest.approx(100.0)
        assert (await newest(recording, "Frontline Heater/temperature_read")).quality == Quality.GOOD


async def test_a_saturated_gauge_is_out_of_its_range_and_flat(database_url: str, tmp_path: Path) -> None:
    """The reading is at full scale, which the map's range excludes."""
    async with recorded(database_url, tmp_path) as (tool, recording):
        tool.station.inject({"name": "gauge_saturated", "on": "Pressure Gauge 1"})
        await after(tool, 1.0)
        await recording.record(slots=3, interval_ms=SLOW_MS)
        points = (await recording.stored("Pressure Gauge 1/pressure_read"))[-3:]
    assert {point.quality for point in points} == {Quality.OUT_OF_RANGE}
    assert len({point.value for point in points}) == 1


async def test_a_drift_of_the_zero_is_read_against_a_true_set_value(database_url: str, tmp_path: Path) -> None:
    """3 sccm more than before, with the set-value on the same row as it was."""
    async with recorded(database_url, tmp_path) as (tool, recording):
        await recording.record(slots=20, interval_ms=SLOW_MS, real_time_s=0.005)
        tool.station.inject({"name": "flow_zero_drift", "on": "MFC 2", "sccm": 3.0})
        await after(tool, 1.0)
        await recording.record(slots=20, interval_ms=SLOW_MS, real_time_s=0.005)
        flows = [point.value or 0.0 for point in await recording.stored("MFC 2/flow_read")]
    assert sum(flows[20:]) / 20 - sum(flows[:20]) / 20 == pytest.approx(3.0, abs=0.5)


@pytest.mark.parametrize("name", ["lid_open", "water_lost", "air_lost"])
async def test_what_an_interlock_guards_is_on_record_by_its_word(database_url: str, tmp_path: Path, name: str) -> None:
    """No bit is set before, one at least is while it lasts."""
    async with recorded(database_url, tmp_path) as (tool, recording):
        await recording.record(slots=1, interval_ms=FAST_MS)
        assert await value(recording, "Process/interlock_word") == 0
        tool.station.inject({"name": name})
        await after(tool, 5.0)
        await recording.record(slots=1, interval_ms=FAST_MS)
        assert await value(recording, "Process/interlock_word") != 0
