"""A device made ready to be checked: a way to read it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from hal.link import Connect, Identify
from hal.plan import ReadPlan
from hal.survey import SurveyReader
from recorder.acquisition.probe import DaemonReader
from recorder.acquisition.setup import plan_limits
from recorder.check.devices import CheckedDevice
from recorder.config.device import DeviceConfig


@asynccontextmanager
async def opened(
    name: str,
    settings: DeviceConfig,
    plans: Mapping[int, ReadPlan],
    *,
    connect: Connect | None,
    socket: Path,
    watched_s: float,
) -> AsyncIterator[CheckedDevice]:
    """A device for as long as the block runs; it is connected with the first request.

    Args:
        name: as the configuration calls it.
        settings: of that device.
        plans: what is read from it.
        connect: opens a link of its own; None asks the daemon.
        socket: of the daemon.
        watched_s: how long its words are watched.
    """
    place, limits = f"{settings.place} unit {settings.unit}", plan_limits(settings)
    if connect is None:
        reader = DaemonReader(socket, name)
        yield CheckedDevice(
            name=name,
            place=place,
            reader=reader,
            limits=limits,
            plans=plans,
            identify=reader.identify,
            parallel=settings.requests_at_once,
            watched_s=watched_s,
        )
        return
    async with SurveyReader(connect) as survey:

        async def identify() -> Mapping[str, str]:
            link = await survey.link()
            return await link.identify() if isinstance(link, Identify) else {}

        yield CheckedDevice(
            name=name,
            place=place,
            reader=survey,
            limits=limits,
            plans=plans,
            identify=identify,
            parallel=settings.requests_at_once,
            watched_s=watched_s,
        )
