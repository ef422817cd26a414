"""All scenarios, in the order in which they are carried out."""

from typing import Final

from recorder.cli.fault_lab import clock, content, crash, order, outage, set_values, storage, wire
from recorder.cli.fault_lab.scenario import Scenario

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *crash.SCENARIOS,
    *outage.SCENARIOS,
    *wire.SCENARIOS,
    *storage.SCENARIOS,
    *content.SCENARIOS,
    *clock.SCENARIOS,
    *order.SCENARIOS,
    *set_values.SCENARIOS,
)
