"""The first moments with the devices: a little time to connect, and whether they can be read as often as is asked."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from hal.load import DeviceLoad
from recorder.acquisition.event_log import EventLog
from recorder.acquisition.overload import fit, measure_round_trip_ms
from recorder.acquisition.setup import PlannedDevice
from recorder.config.device import DeviceConfig

_MEASURE_S: Final = 1.0
"""How long the round trip of one device is measured at a start."""


async def meet(planned: Sequence[PlannedDevice], devices: Mapping[str, DeviceConfig]) -> None:
    """Give devices a moment to connect, so that the first slot of a healthy tool is not a bad one."""
    if not planned:
        return
    longest = max(devices[item.device.name].connect_timeout_s for item in planned)
    with suppress(TimeoutError):
        async with asyncio.timeout(min(longest, 1.0)), asyncio.TaskGroup() as tasks:
            for item in planned:
                tasks.create_task(item.device.wait_connected())


async def fit_all(
    planned: Sequence[PlannedDevice], devices: Mapping[str, DeviceConfig], events: EventLog
) -> list[PlannedDevice]:
    """Set measured round trips against the scan intervals; a device that is not there yet is not judged.

    Raises:
        ConfigurationError: a plan cannot be kept, and the configuration says to refuse it.
    """

    def tell(kind: str, load: DeviceLoad, meaning: str) -> None:
        events.warn(kind, {"reason": load.explain(), "meaning": meaning}, device=load.device)

    fitted = []
    for item in planned:
        round_trip_ms = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_MEASURE_S):
                round_trip_ms = await measure_round_trip_ms(item)
        settings = devices[item.device.name]
        fitted.append(item if round_trip_ms is None else fit(item, settings, round_trip_ms=round_trip_ms, tell=tell))
    return fitted
