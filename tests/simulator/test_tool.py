"""The running tool: a recipe over a real socket at high speed, waiting, options, stopping."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymodbus.client import AsyncModbusTcpClient

from simulator import SimulatedTool, definitions_path
from simulator.errors import ListenError, OptionError, RecipeError, RequestRefusedError, StoppedError
from simulator.process import ToolState, advance, standby
from simulator.recipe import Loop, Recipe, RecipeStep, al2o3
from simulator.recipe_file import builtin_library
from simulator.run import RunStatus

START, ABORT = 40, 41


@asynccontextmanager
async def connected(tool: SimulatedTool) -> AsyncIterator[AsyncModbusTcpClient]:
    """A client of a running tool."""
    client = AsyncModbusTcpClient(tool.description.host, port=tool.description.port, retries=0, timeout=5)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def double_words(client: AsyncModbusTcpClient, address: int, count: int) -> list[int]:
    """Read uint32 input registers by hand: low word first."""
    response = await client.read_input_registers(address, count=2 * count, device_id=1)
    words = response.registers
    return [words[at] + (words[at + 1] << 16) for at in range(0, len(words), 2)]


async def test_twenty_cycles_at_speed_100_leave_exact_pulse_counters() -> None:
    """Started by its coil over a socket: 20 pulses of A and of B, the last of each 100,000 us wide, run 1 completed."""
    async with SimulatedTool(port=0, speed=100, seed=1) as tool, connected(tool) as client:
        assert not (await client.write_coil(START, True, device_id=1)).isError()
        await tool.wait_for_run_end(1)
        state = await client.read_input_registers(3000, count=1, device_id=1)
        assert state.registers == [RunStatus.COMPLETED]
        assert await double_words(client, 3004, 1) == [1]
        assert await double_words(client, 3012, 4) == [20, 100_000, 20, 100_000]


async def test_a_reader_never_sees_a_counter_and_a_cycle_of_two_different_steps() -> None:
    """Polled without pause at speed 50, steps come in order and every block is of one moment."""
    seen: list[tuple[int, int]] = []
    async with SimulatedTool(port=0, speed=50, seed=1, cycles=5) as tool, connected(tool) as client:
        await client.write_coil(START, True, device_id=1)
        await tool.wait_for(lambda state: state.run.status is RunStatus.RUNNING)
        while tool.state.run.status is RunStatus.RUNNING:
            response = await client.read_input_registers(3000, count=20, device_id=1)
            status, step, cycle = response.registers[:3]
            pulses_of_a, pulses_of_b = response.registers[12], response.registers[16]
            if status == RunStatus.RUNNING and cycle:
                assert pulses_of_a == (cycle if step > 2 else cycle - 1)
                assert pulses_of_b == (cycle if step > 4 else cycle - 1)
                seen.append((cycle, step))
    assert seen == sorted(seen)
    assert len(set(seen)) > 1


async def test_an_abort_over_the_socket_ends_the_run() -> None:
    """Run state 3 stays, the valves are closed, and the next start is run 2."""
    async with SimulatedTool(port=0, speed=20) as tool, connected(tool) as client:
        await client.write_coil(START, True, device_id=1)
        await tool.wait_for(lambda state: state.valves[0].is_open)
        await client.write_coil(ABORT, True, device_id=1)
        ended = await tool.wait_for_run_end(1)
        assert ended.run.status is RunStatus.ABORTED
        assert not any(valve.is_open for valve in ended.valves)
        await client.write_coil(START, True, device_id=1)
        again = await tool.wait_for(lambda state: state.run.status is RunStatus.RUNNING)
        assert again.run.counter == 2


async def test_a_set_value_over_the_socket_moves_the_plant() -> None:
    """50 sccm written as a CDAB float are flowing within a simulated second or so."""
    high, low = struct.unpack(">HH", struct.pack(">f", 50.0))
    async with SimulatedTool(port=0, speed=20) as tool, connected(tool) as client:
        assert not (await client.write_registers(2086, [low, high], device_id=1)).isError()
        moved = await tool.wait_for(lambda state: state.flows[0].is_settled and state.flows[0].flow_sccm > 40)
        assert moved.flows[0].flow_sccm == pytest.approx(50.0, rel=0.02)


async def test_a_short_pulse_is_never_missed_by_a_waiter_at_speed_100() -> None:
    """A 10 ms pulse lasts 0.1 ms of real time; a waiter sees it open all the same."""
    wait = RecipeStep(name="wait", duration_us=1_000_000)
    blink_once = Loop(name="cycle", repeat=1, steps=(RecipeStep(name="dose", duration_us=10_000, open_valve=2),))
    recipe = Recipe(name="blink", steps=(wait, blink_once, wait))
    async with SimulatedTool(port=0, speed=100, recipe=recipe, auto_start=True) as tool:
        blink = await tool.wait_for(lambda state: state.valves[1].is_open)
        assert blink.time_us == 1_000_000
        ended = await tool.wait_for_run_end()
        assert ended.valves[1].last_width_us == 10_000


@pytest.mark.parametrize("speed", [37.0, 100.0])
async def test_a_run_is_the_same_at_any_speed(speed: float) -> None:
    """The state after 30 s of an auto-started run equals that of the bare physics, whatever the speed."""

    def is_due(state: ToolState) -> bool:
        return state.step_index == 3000

    async with SimulatedTool(port=0, speed=speed, seed=11, cycles=2, auto_start=True) as tool:
        reached = await tool.wait_for(is_due)
    by_hand = SimulatedTool(port=0, seed=11, cycles=2)
    by_hand.start_run()
    assert reached == advance(by_hand.state, 3000)
    assert reached.gauge_torr == advance(by_hand.state, 3000).gauge_torr


async def test_simulated_time_catches_up_after_the_loop_was_blocked() -> None:
    """The loop is held for 100 ms at speed 100; the 10 s of simulated time are made up for, not dropped."""
    loop = asyncio.get_running_loop()
    async with SimulatedTool(port=0, speed=100) as tool:
        begin_s, begin_us = loop.time(), tool.state.time_us
        while loop.time() < begin_s + 0.1:
            pass
        await tool.wait_for(lambda state: state.time_us >= begin_us + 10_000_000)
        # Level again but for 20 ms of real time, which a step and a turn of the loop may take.
        await tool.wait_for(lambda state: state.time_us - begin_us >= (loop.time() - begin_s - 0.02) * 1e8)


async def test_by_default_it_waits_for_the_start_coil() -> None:
    """A second of simulated time after entering, the tool is still idle; with auto_start it runs."""
    async with SimulatedTool(port=0, speed=100) as tool:
        waited = await tool.wait_for(lambda state: state.time_us >= 1_000_000)
        assert waited.run.status is RunStatus.IDLE
    async with SimulatedTool(port=0, speed=100, auto_start=True) as tool:
        assert (await tool.wait_for(lambda state: state.step_index >= 1)).run.status is RunStatus.RUNNING


async def test_its_own_start_button_refuses_a_second_press() -> None:
    """As the coil does; abort then ends the run."""
    async with SimulatedTool(port=0, speed=100, auto_start=True) as tool:
        with pytest.raises(RequestRefusedError, match="a run is going"):
            tool.start_run()
        tool.abort_run()
        assert (await tool.wait_for_run_end()).run.status is RunStatus.ABORTED


async def test_the_description_says_what_is_served_and_where() -> None:
    """The real port, not 0, and the file to import."""
    async with SimulatedTool(port=0, speed=10, seed=3, cycles=7) as tool:
        description = tool.description
        assert description.host == "127.0.0.1"
        assert description.port > 0
        assert (description.unit, description.parameters, description.cycles) == (1, 192, 7)
        assert (description.speed, description.seed) == (10, 3)
        assert description.recipe == "Al2O3 TMA H2O"
        assert description.run_duration_s == pytest.approx(60.4)
        assert description.map_path == definitions_path()
        assert description.start == "Process/start"


async def test_a_port_in_use_is_refused_and_leaves_nothing_running() -> None:
    """One ListenError, not a group of errors; the first tool goes on."""
    async with SimulatedTool(port=0, speed=100) as first:
        with pytest.raises(ListenError, match="in use"):
            async with SimulatedTool(port=first.description.port):
                pass
        now = first.state.step_index
        await first.wait_for(lambda state: state.step_index > now)


async def test_an_error_of_the_caller_passes_through_unchanged() -> None:
    """Not wrapped into the task group's own."""
    with pytest.raises(LookupError, match="of the caller"):
        async with SimulatedTool(port=0):
            raise LookupError("of the caller")


async def test_who_waits_on_a_tool_that_stops_is_told() -> None:
    """StoppedError, during and after, rather than waiting for ever."""
    async with SimulatedTool(port=0) as tool:
        waiting = asyncio.create_task(tool.wait_for(lambda _: False))
        await tool.wait_for(lambda state: state.step_index >= 1)
    with pytest.raises(StoppedError):
        await waiting
    with pytest.raises(StoppedError):
        await tool.wait_for(lambda _: False)


@pytest.mark.parametrize("speed", [0.0, 0.09, 100.1, -1.0, float("nan")])
def test_a_speed_that_cannot_be_is_refused(speed: float) -> None:
    """The limits are in the message."""
    with pytest.raises(OptionError, match=r"0\.1 to 100"):
        SimulatedTool(speed=speed)


def test_a_seed_or_a_number_of_cycles_that_cannot_be_is_refused() -> None:
    """Before anything is opened."""
    with pytest.raises(OptionError, match="seed"):
        SimulatedTool(seed=-1)
    with pytest.raises(RecipeError, match="cycles"):
        SimulatedTool(cycles=0)


def test_a_built_tool_is_in_standby() -> None:
    """Nothing moves before it is entered."""
    assert SimulatedTool(seed=2).state == standby(seed=2, recipe=al2o3(), library=builtin_library())
