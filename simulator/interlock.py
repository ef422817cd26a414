"""What the tool watches for safety, what it does when something is wrong, and what it then refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag

from simulator.heater import HeaterControl, HeaterState
from simulator.plant_faults import PlantFaults


class Interlock(IntFlag):
    """Bits of the interlock word; 0 is all well."""

    NONE = 0
    LID_OPEN = 1
    """Air comes in: the run ends, ALD valves close, RF goes off, and none of them can be switched on."""
    WATER_LOST = 2
    """No cooling water: the run ends, pump and RF go off, and neither can be switched on."""
    AIR_LOST = 4
    """No pneumatic pressure: ALD valves and exhaust gate fall shut and stay so; the run ends."""
    OVER_TEMPERATURE = 8
    """A zone is above its limit: latched, it goes off and the run ends, until it is reset below the limit."""


REFUSES_START = Interlock.LID_OPEN | Interlock.WATER_LOST | Interlock.AIR_LOST | Interlock.OVER_TEMPERATURE
REFUSES_VALVES = Interlock.LID_OPEN | Interlock.AIR_LOST
REFUSES_RF = Interlock.LID_OPEN | Interlock.WATER_LOST
REFUSES_PUMP = Interlock.WATER_LOST
REFUSES_GATE = Interlock.AIR_LOST


@dataclass(frozen=True, kw_only=True, slots=True)
class InterlockState:
    """What is wrong.

    Attributes:
        word: all that holds now.
        hot_zones: index of each zone whose over-temperature is latched.
    """

    word: Interlock = Interlock.NONE
    hot_zones: frozenset[int] = frozenset()


def of_plant(faults: PlantFaults) -> Interlock:
    """What the sensors of lid, water and air say."""
    word = Interlock.NONE
    if faults.is_lid_open:
        word |= Interlock.LID_OPEN
    if faults.is_water_lost:
        word |= Interlock.WATER_LOST
    if faults.is_air_lost:
        word |= Interlock.AIR_LOST
    return word


def step(
    state: InterlockState,
    *,
    faults: PlantFaults,
    heaters: Sequence[HeaterState],
    controls: Sequence[HeaterControl],
    is_reset: bool,
) -> InterlockState:
    """Look at everything once; the same state comes back where nothing changed."""
    hot = {
        zone
        for zone, (heater, control) in enumerate(zip(heaters, controls, strict=True))
        if heater.reading_c > control.high_limit_c
    }
    hot_zones = frozenset(hot) if is_reset else state.hot_zones | hot
    word = of_plant(faults) | (Interlock.OVER_TEMPERATURE if hot_zones else Interlock.NONE)
    if word == state.word and hot_zones == state.hot_zones:
        return state
    return InterlockState(word=word, hot_zones=hot_zones)
