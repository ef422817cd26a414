"""How long a parameter step takes: limits, durable intent, write, read-back and durable outcome."""

import asyncio
import time
from pathlib import Path
from typing import Final

from hal.device import Device
from hal.modbus import ModbusTcpSettings, tcp_link
from recorder.check.spread import Spread
from recorder.clock.clock import Clock
from recorder.config.writes import WriteRule, WritesConfig
from recorder.database import Database, DatabaseSettings
from recorder.definitions.definitions import DefinitionSet
from recorder.errors import OutsideError
from recorder.measure.sample import MACHINE, SET_POINT
from recorder.set_values.cache import SetValues
from recorder.set_values.parameter_step import ParameterSteps, Surroundings
from recorder.set_values.source import DatabaseSetValues
from recorder.set_values.step import Step, StepOutcome
from recorder.set_values.write_rules import RecipeState
from recorder.spool.spool import Spool

_WARM_UP: Final = 3
_SPOOL_BYTES: Final = 100_000_000
_ALLOWED: Final = WritesConfig(
    enabled=True,
    allow=(
        WriteRule(
            device=SET_POINT.device,
            addresses="holding_register 0..1",
            data_type="float32",
            hard_min=0,
            hard_max=100,
            min_interval_s=0,
        ),
    ),
)


async def measure(
    settings: DatabaseSettings, definitions: DefinitionSet, folder: Path, *, port: int, steps: int
) -> Spread:
    """Write `SET_POINT` over and over.

    Args:
        settings: of a schema of its own, whose database gives the limits.
        definitions: `SET_POINT` among them.
        folder: on the disk that the spool shall lie on; the spool stays in it.
        port: of a Modbus server on this machine, made for this: it takes what is written, and moves nothing.
        steps: that are counted.

    Raises:
        DatabaseError: the limits cannot be asked for.
        OutsideError: the server does not take what is written.
    """
    device = Device(SET_POINT.device, tcp_link(ModbusTcpSettings(device=SET_POINT.device, host="127.0.0.1", port=port)))
    async with (
        Spool(folder / "steps.sqlite3", max_bytes=_SPOOL_BYTES) as spool,
        Database(settings) as database,
        asyncio.TaskGroup() as tasks,
    ):
        set_values = SetValues(DatabaseSetValues(database, machine=MACHINE))
        await set_values.refresh()
        around = Surroundings(
            device_of={SET_POINT.device: device}.get,
            recipe=lambda: RecipeState.NONE,
            process_id=lambda: None,
            before=lambda _parameter_id: None,
            spool=spool.append,
            is_stored=lambda _sequence: False,
            now_us=Clock().now_us,
            monotonic_s=time.monotonic,
        )
        parameter_steps = ParameterSteps(_ALLOWED, definitions=definitions, set_values=set_values, around=around)
        connecting = tasks.create_task(device.run(), name="device bench")
        try:
            await device.wait_connected()
            times_ms = []
            for number in range(-_WARM_UP, steps):
                step = Step(
                    values={SET_POINT.full_name: float(50 + number % 7)},
                    changed_by="bench",
                    reason="measurement",
                    during_recipe=False,
                )
                began = time.perf_counter()
                [result] = await parameter_steps.apply(step)
                took_ms = (time.perf_counter() - began) * 1000
                if result.outcome is not StepOutcome.DONE:
                    raise OutsideError(f"the step of the measurement failed: {result.message}")
                if number >= 0:
                    times_ms.append(took_ms)
        finally:
            connecting.cancel()
    return Spread.of(times_ms)
