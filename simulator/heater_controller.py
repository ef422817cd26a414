"""A second unit behind the tool's port: a heater controller of another make, with ABCD floats in degrees Fahrenheit.

It has two zones of its own, lid and exhaust line, and no clock: it catches up with the tool's time when it is read.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from hal.parameter import RegisterKind
from simulator import heater, parameter_map
from simulator.heater import PERIOD_S, HeaterModel
from simulator.noise import normals
from simulator.registers import RegisterImage, RegisterMap

UNIT: Final = 2
ANSWER_DELAY_S: Final = 0.06
"""What such a controller takes for an answer: 20 to 150 ms (domain.md, Device traps)."""
ZONES: Final = ("Lid Heater", "Exhaust Heater")
SET_VALUES_C: Final = (110.0, 90.0)
ALARM_C: Final = 15.0
"""The alarm stands while a reading is further than this above its set-value."""
_MODEL: Final = HeaterModel(gain_c_per_percent=3.0, time_constant_s=400.0, dead_time_s=12.0)
_STREAM: Final = 7
_PERIOD_US: Final = round(PERIOD_S * 1e6)
_MOST_PERIODS: Final = 3600
"""A controller that was not read for longer has long been at rest: it catches up with the last hour."""


def definitions_path() -> Path:
    """Path of its definitions: device ``heater_controller``."""
    return Path(__file__).parent / "definitions" / "heater_controller.csv"


class HeaterController:
    """Its memory.

    Args:
        time_us: gives the simulated time of the tool.
        seed: of its noise.
    """

    def __init__(self, *, time_us: Callable[[], int], seed: int = 0) -> None:
        self.definitions = parameter_map.load(definitions_path())
        self._map = RegisterMap(self.definitions)
        self._time_us, self._seed = time_us, seed
        self._period = time_us() // _PERIOD_US
        self._zones = [heater.at_rest(_MODEL, celsius) for celsius in SET_VALUES_C]
        self._controls = [heater.tuned(_MODEL, celsius) for celsius in SET_VALUES_C]
        self._image: RegisterImage | None = None

    def read(self, kind: RegisterKind, address: int, count: int) -> Sequence[int]:
        """Answer a read.

        Raises:
            RequestRefusedError: an address is outside of the memory.
        """
        return self._present().read(kind, address, count)

    def write(self, kind: RegisterKind, address: int, words: Sequence[int]) -> None:
        """Take a write; it shows at once.

        Raises:
            RequestRefusedError: it is not taken; then nothing of it was.
        """
        values = self._map.written(kind, address, words)
        self._present()
        for place, (name, control) in enumerate(zip(ZONES, self._controls, strict=True)):
            set_value_c = values.get(f"{name}/temperature_set", control.set_value_c)
            assert not isinstance(set_value_c, str)
            is_on = bool(values.get(f"{name}/power_on", control.is_on))
            self._controls[place] = replace(control, set_value_c=set_value_c, is_on=is_on)
        self._image = None

    def _present(self) -> RegisterImage:
        now = self._time_us() // _PERIOD_US
        self._period = min(self._period, now)  # less where the PLC began anew, and this controller did not
        for period in range(max(self._period, now - _MOST_PERIODS) + 1, now + 1):
            noise = normals(seed=self._seed, stream=_STREAM, index=period, width=2 * len(ZONES))
            self._zones = [
                heater.step(zone, model=_MODEL, control=control, drift_noise=drift, white_noise=white)
                for zone, control, drift, white in zip(
                    self._zones, self._controls, noise[::2], noise[1::2], strict=True
                )
            ]
            self._image = None
        self._period = now
        if self._image is None:
            self._image = self._map.image(self._values())
        return self._image

    def _values(self) -> dict[str, float | str]:
        values: dict[str, float | str] = {}
        for name, zone, control in zip(ZONES, self._zones, self._controls, strict=True):
            values |= {
                f"{name}/temperature_read": zone.reading_c,
                f"{name}/temperature_set": control.set_value_c,
                f"{name}/output": zone.output_percent,
                f"{name}/power_on": float(control.is_on),
                f"{name}/alarm": float(zone.reading_c > control.set_value_c + ALARM_C),
            }
        return values
