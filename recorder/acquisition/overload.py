"""Whether a tool can be read as often as its definitions ask, found out before the run and not in it."""

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Final

from hal.load import DeviceLoad, Verdict, degraded, load_of
from recorder.acquisition.setup import PlannedDevice
from recorder.config.device import DeviceConfig
from recorder.errors import ConfigurationError

_SCANS: Final = 3
"""Scans of each plan by which the round trip is measured; the first on a new connection is often slow."""


async def measure_round_trip_ms(item: PlannedDevice) -> float | None:
    """Scan a few times; returns the median round trip of a request, None where nothing answered."""
    found_ms = []
    for plan in item.plans.values():
        for _ in range(_SCANS):
            scan = await item.device.scan(plan)
            round_trip_ns = item.device.health.round_trip_ns
            if scan.cause is not None or round_trip_ns is None:
                break
            found_ms.append(round_trip_ns / 1e6)
    return median(found_ms) if found_ms else None


def fit(
    item: PlannedDevice,
    settings: DeviceConfig,
    *,
    round_trip_ms: float,
    tell: Callable[[str, DeviceLoad, str], None],
) -> PlannedDevice:
    """Judge the plans of a device, and make them slower where the configuration says so.

    Args:
        item: the device and its plans.
        settings: its configuration.
        round_trip_ms: measured, of one request.
        tell: called with a kind of event, the load and what it means, where not all is well.

    Raises:
        ConfigurationError: the plans cannot be kept, and the configuration says to refuse them.
    """
    name, parallel = item.device.name, settings.requests_at_once
    load = load_of(name, item.plans, round_trip_ms=round_trip_ms, parallel=parallel)
    if load.verdict is Verdict.FITS:
        return replace(item, load=load)
    if load.verdict is Verdict.TIGHT:
        tell("plan_tight", load, "a slow answer now and then costs a slot")
        return replace(item, load=load)
    remedy = (
        f"lengthen scan_interval_ms, or raise devices.{name}.connections or requests_in_flight "
        "where the device allows several"
    )
    match settings.on_overload:
        case "refuse":
            raise ConfigurationError(f"devices.{name}: the read plan cannot be kept: {load.explain()}; {remedy}")
        case "warn":
            tell("plan_impossible", load, f"slots will be skipped; {remedy}")
            return replace(item, load=load)
        case "degrade":
            plans = degraded(item.plans, round_trip_ms=round_trip_ms, parallel=parallel)
            slower = load_of(name, plans, round_trip_ms=round_trip_ms, parallel=parallel)
            tell("plan_degraded", load, f"read every {', '.join(map(str, plans))} ms instead; {remedy}")
            return replace(item, plans=plans, load=slower)
