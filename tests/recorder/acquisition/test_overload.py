"""An impossible read plan is said before the run, and refused or made slower as configured."""

import asyncio

import pytest

from hal.device import Device
from hal.load import DeviceLoad, Verdict
from hal.memory import MemoryDevice
from hal.plan import plan_reads
from recorder.acquisition.device_watch import DeviceWatch, WatchSettings
from recorder.acquisition.overload import fit, measure_round_trip_ms
from recorder.acquisition.setup import PlannedDevice
from recorder.config.device import DeviceConfig
from recorder.errors import ConfigurationError
from tests.hal.parameters import holding


def planned(memory: MemoryDevice | None = None) -> PlannedDevice:
    """Four requests every 10 ms."""
    memory = memory or MemoryDevice("plc")
    plan = plan_reads([holding(n, 200 * n, scan_interval_ms=10) for n in range(1, 5)])
    watch = DeviceWatch(WatchSettings(), tell=lambda _kind, _detail: None)
    return PlannedDevice(device=Device("plc", memory.connect), plans={10: plan}, watch=watch)


class Told:
    """What was told."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.lines: list[str] = []

    def __call__(self, kind: str, load: DeviceLoad, meaning: str) -> None:
        self.kinds.append(kind)
        self.lines.append(f"{load.explain()}; {meaning}")


def test_a_plan_that_fits_is_left_alone() -> None:
    """Nothing is told, the load is known."""
    told = Told()
    fitted = fit(planned(), DeviceConfig(), round_trip_ms=1, tell=told)
    assert told.kinds == []
    assert fitted.load is not None
    assert fitted.load.verdict is Verdict.FITS


def test_a_tight_plan_is_told() -> None:
    """It is read all the same."""
    told = Told()
    assert list(fit(planned(), DeviceConfig(), round_trip_ms=2.3, tell=told).plans) == [10]
    assert told.kinds == ["plan_tight"]


def test_by_default_an_impossible_plan_is_recorded_with_a_warning() -> None:
    """The warning names requests, round trip, interval and the remedy."""
    told = Told()
    assert list(fit(planned(), DeviceConfig(), round_trip_ms=5, tell=told).plans) == [10]
    assert told.kinds == ["plan_impossible"]
    assert "4 requests of 5.0 ms take 20 of 10 ms" in told.lines[0]
    assert "devices.plc.connections" in told.lines[0]


def test_degrade_makes_it_slower_until_it_fits() -> None:
    """And says how slow."""
    told = Told()
    fitted = fit(planned(), DeviceConfig(on_overload="degrade"), round_trip_ms=5, tell=told)
    assert list(fitted.plans) == [30]
    assert told.kinds == ["plan_degraded"]
    assert "read every 30 ms instead" in told.lines[0]
    assert fitted.load is not None
    assert fitted.load.verdict is Verdict.FITS


def test_requests_in_flight_and_connections_multiply() -> None:
    """Of two connections with two in flight each, all four requests go out at once."""
    told = Told()
    settings = DeviceConfig(connections=2, requests_in_flight=2, on_overload="refuse")
    fitted = fit(planned(), settings, round_trip_ms=5, tell=told)
    assert fitted.load is not None
    assert (fitted.load.plans[0].scan_ms, told.kinds) == (5, [])


def test_refuse_stops_the_start_with_one_sentence() -> None:
    """What, where and what to do."""
    with pytest.raises(ConfigurationError, match=r"devices\.plc: the read plan cannot be kept.*scan_interval_ms"):
        fit(planned(), DeviceConfig(on_overload="refuse"), round_trip_ms=5, tell=Told())


async def test_the_round_trip_is_measured_by_scans() -> None:
    """A device that takes 5 ms a request is found to."""
    memory = MemoryDevice("plc")
    for _ in range(12):
        memory.delay_next(0.005)
    item = planned(memory)
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(item.device.run())
        await item.device.wait_connected()
        round_trip_ms = await measure_round_trip_ms(item)
        owner.cancel()
    assert round_trip_ms is not None
    assert round_trip_ms >= 4.9


async def test_a_device_that_is_away_is_not_measured() -> None:
    """Nothing is known of it, so nothing is judged."""
    assert await measure_round_trip_ms(planned()) is None
