"""The running tool: simulated time driven by real time, served over Modbus TCP."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hal.parameter import RegisterKind
from simulator import heater_controller, parameter_map, signals
from simulator.description import Description
from simulator.errors import OptionError, SimulatorError, StoppedError
from simulator.heater_controller import HeaterController
from simulator.memory import Unit, double_words
from simulator.plc import Plc
from simulator.process import STEP_US, ToolState, standby
from simulator.recipe import DEFAULT_CYCLES, Recipe, al2o3
from simulator.recipe_file import builtin_library
from simulator.run import RunStatus
from simulator.station import DEFAULT_HOST, DEFAULT_PORT, ServeOptions, Station, Tool

UNIT: Final = 1
MIN_SPEED: Final = 0.1
MAX_SPEED: Final = 100.0
TICK_S: Final = 0.002
"""Shortest real time between two looks at the clock: at high speed several steps are done in one tick."""
MAX_STEPS_A_TICK: Final = 200
"""After these the loop gets its turn, also where simulated time has fallen behind: requests are always answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolDescription(Description):
    """The simulated tool with its slow second unit.

    Attributes:
        second_unit: unit identifier of the slow heater controller behind the same port.
        second_map_path: its definitions file.
    """

    second_unit: int
    second_map_path: Path


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Waiter:
    condition: Callable[[ToolState], bool]
    future: "asyncio.Future[ToolState]"


class SimulatedTool:
    """A small ALD tool as a Modbus TCP server; an async context manager.

    Simulated time is ``speed`` times the real time since the start, in whole steps of `STEP_US`. Where the loop was
    late the missing steps are done as soon as it can, so time does not drift and no pulse is lost.

    Args:
        host: address to listen on.
        port: 0 takes any free one, see `description`.
        speed: simulated seconds in a real one, `MIN_SPEED` to `MAX_SPEED`.
        seed: of all noise; equal seeds give equal runs at any speed.
        cycles: of the built-in Al2O3 recipe.
        recipe: in place of the built-in one; its cycles then count.
        auto_start: begin a run at once rather than wait for the start coil.
        options: where it is served and what goes wrong, in place of ``host`` and ``port``.

    Attributes:
        station: its port, its serial line and its faults.

    Raises:
        FaultError: the script of faults has one that cannot be.
        OptionError: speed or seed cannot be.
        RecipeError: the cycles cannot be.
        MapError: the definitions file does not fit.
    """

    def __init__(
        self,
        *,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        speed: float = 1.0,
        seed: int = 0,
        cycles: int = DEFAULT_CYCLES,
        recipe: Recipe | None = None,
        auto_start: bool = False,
        options: ServeOptions | None = None,
    ) -> None:
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise OptionError(f"the speed must be {MIN_SPEED:g} to {MAX_SPEED:g}, not {speed:g}")
        self._options = options or ServeOptions(host=host, port=port)
        self._speed = speed
        self._definitions = parameter_map.load(parameter_map.definitions_path())
        self._recipe = recipe or al2o3(cycles)
        self._plc = Plc(self._definitions, standby(seed=seed, recipe=self._recipe, library=builtin_library()))
        self._auto_start = auto_start
        controller = HeaterController(time_us=lambda: self.state.time_us, seed=seed)
        tool = Tool(
            units={
                UNIT: Unit(memory=self._plc, double_words=double_words(d.parameter for d in self._definitions)),
                heater_controller.UNIT: Unit(
                    memory=controller,
                    answer_delay_s=heater_controller.ANSWER_DELAY_S,
                    double_words=double_words(d.parameter for d in controller.definitions),
                ),
            },
            names=[definition.parameter.name for definition in self._definitions],
            step=lambda: self.state.step_index,
            values=lambda: self._plc.image.values,
            set_plant_faults=self._plc.break_plant,
            restart=self._plc.restart,
        )
        self.station = Station(tool, self._options)
        self._waiters: list[_Waiter] = []
        self._stack = AsyncExitStack()
        self._is_running = False

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.station)
            stack.callback(self._release_waiters)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            if self._auto_start:
                self.start_run()
            self._is_running = True
            driver = group.create_task(self._drive(asyncio.get_running_loop().time()), name="simulated-tool")
            stack.callback(driver.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Without the fault: it is the caller's, and the task group would wrap it into a group of its own.
        await self._stack.aclose()

    @property
    def state(self) -> ToolState:
        """The tool after its last step."""
        return self._plc.state

    @property
    def description(self) -> ToolDescription:
        """What is served and where; the port is the real one once the tool is entered."""
        return ToolDescription(
            host=self._options.host,
            port=self.station.port,
            unit=UNIT,
            parameters=len(self._definitions),
            recipe=self._recipe.name,
            cycles=self._recipe.cycles,
            run_duration_s=self._recipe.duration_us / 1e6,
            speed=self._speed,
            seed=self.state.seed,
            map_path=parameter_map.definitions_path(),
            start=signals.START,
            second_unit=heater_controller.UNIT,
            second_map_path=heater_controller.definitions_path(),
        )

    def start_run(self) -> None:
        """Press start, as a write of the start coil would.

        Raises:
            RequestRefusedError: a run is going.
        """
        self._press(signals.START)

    def abort_run(self) -> None:
        """Press abort, as a write of the abort coil would; harmless where no run is going."""
        self._press(signals.ABORT)

    async def wait_for(self, condition: Callable[[ToolState], bool]) -> ToolState:
        """Wait until a condition holds after a simulated step; no step goes unseen, at any speed.

        Returns:
            The first state, the present one included, for which it holds.

        Raises:
            StoppedError: the tool was left before.
        """
        if condition(self.state):
            return self.state
        if not self._is_running:
            raise StoppedError("the simulated tool is not running, so the awaited state cannot come")
        waiter = _Waiter(condition=condition, future=asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            return await waiter.future
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    async def wait_for_run_end(self, counter: int | None = None) -> ToolState:
        """Wait until a run is completed or aborted.

        Args:
            counter: the run counter of the run that is meant; None means whichever ends next, or the last one
                where none is going.
        """
        return await self.wait_for(
            lambda state: (
                state.run.status in {RunStatus.COMPLETED, RunStatus.ABORTED}
                and signals.START not in state.controls.pending
                and (counter is None or state.run.counter >= counter)
            )
        )

    async def _drive(self, origin_s: float) -> None:
        loop = asyncio.get_running_loop()
        step_s = STEP_US / 1e6 / self._speed
        done = 0
        while True:
            due = int((loop.time() - origin_s) / step_s)
            for _ in range(min(due - done, MAX_STEPS_A_TICK)):
                self._plc.step()
                done += 1
                self.station.advance(done * STEP_US / 1e6)
                if self._waiters:
                    self._wake_waiters()
            is_behind = due > done
            next_s = origin_s + (done + 1) * step_s
            await asyncio.sleep(0 if is_behind else max(next_s - loop.time(), TICK_S))

    def _wake_waiters(self) -> None:
        for waiter in tuple(self._waiters):
            if waiter.condition(self.state):
                self._waiters.remove(waiter)
                if not waiter.future.done():
                    waiter.future.set_result(self.state)

    def _release_waiters(self) -> None:
        self._is_running = False
        for waiter in self._waiters:
            if not waiter.future.done():
                waiter.future.set_exception(StoppedError("the simulated tool was stopped before the awaited state"))
        self._waiters.clear()

    def _press(self, name: str) -> None:
        for definition in self._definitions:
            if definition.parameter.name == name:
                self._plc.write(RegisterKind.COIL, definition.parameter.address, [1])
                return
        raise SimulatorError(f"the map has no {name}")
