"""The faults that can be injected: their names, what each needs to be told, and the checks of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any, Final

from simulator.errors import FaultError


class FaultName(StrEnum):
    """Every fault; those of the plant first, then those of the communication."""

    VALVE_STUCK_CLOSED = "valve_stuck_closed"
    VALVE_LEAKING = "valve_leaking"
    BOTTLE_EMPTY = "bottle_empty"
    THERMOCOUPLE_OPEN = "thermocouple_open"
    GAUGE_SATURATED = "gauge_saturated"
    FLOW_ZERO_DRIFT = "flow_zero_drift"
    CHAMBER_LEAK = "chamber_leak"
    LID_OPEN = "lid_open"
    WATER_LOST = "water_lost"
    AIR_LOST = "air_lost"
    FROZEN = "frozen"
    PLC_RESTART = "plc_restart"
    DROPPED = "dropped"
    CUT = "cut"
    HALF_OPEN = "half_open"
    REFUSED = "refused"
    SLOW = "slow"
    LATE = "late"
    EXCEPTION = "exception"
    GARBLED = "garbled"
    SHORT = "short"
    WRONG_TRANSACTION = "wrong_transaction"
    WRONG_UNIT = "wrong_unit"
    WORD_SWAP = "word_swap"

    @property
    def is_of_the_plant(self) -> bool:
        """Whether it needs a PLC and a plant behind it, which a replayed trace has not."""
        return self in _PLANT

    @property
    def is_of_answers(self) -> bool:
        """Whether it hits answers one by one, so that it can be limited to some of them."""
        return self in _ANSWERS

    @property
    def meaning(self) -> str:
        """What is then seen."""
        return _MEANING[self]


_MEANING: Final = {
    FaultName.VALVE_STUCK_CLOSED: "the counter moves, no pressure, no mass",
    FaultName.VALVE_LEAKING: "the base pressure rises, mass is gained in the purge",
    FaultName.BOTTLE_EMPTY: "pulse heights fall cycle by cycle",
    FaultName.THERMOCOUPLE_OPEN: "the reading is at its rail, the output at 100 %",
    FaultName.GAUGE_SATURATED: "flat at full scale",
    FaultName.FLOW_ZERO_DRIFT: "a flow is read at set-value 0",
    FaultName.CHAMBER_LEAK: "the pressure is too high, and rises when isolated",
    FaultName.LID_OPEN: "air comes in, an interlock acts",
    FaultName.WATER_LOST: "no cooling water, an interlock acts",
    FaultName.AIR_LOST: "no pneumatic pressure: no valve moves, an interlock acts",
    FaultName.FROZEN: "the PLC answers, but heartbeat and every register stand still",
    FaultName.PLC_RESTART: "connections are dropped, and the counters begin at 0",
    FaultName.DROPPED: "the connection is closed in place of an answer",
    FaultName.CUT: "the connection is closed in the middle of an answer",
    FaultName.HALF_OPEN: "connections are accepted and requests never answered",
    FaultName.REFUSED: "connections are closed and new ones refused",
    FaultName.SLOW: "answers come late, but within a client's deadline",
    FaultName.LATE: "answers come after a client's deadline",
    FaultName.EXCEPTION: "requests are refused with a Modbus exception",
    FaultName.GARBLED: "every byte of the answer's frame is another",
    FaultName.SHORT: "answers have a value less than was asked for",
    FaultName.WRONG_TRANSACTION: "answers carry the transaction id of another request",
    FaultName.WRONG_UNIT: "answers carry the number of another unit",
    FaultName.WORD_SWAP: "the two words of 32-bit values are exchanged",
}
_COMPONENT_OF: Final = {
    FaultName.VALVE_STUCK_CLOSED: "a valve, such as Valve 1",
    FaultName.VALVE_LEAKING: "a valve, such as Valve 1",
    FaultName.BOTTLE_EMPTY: "a precursor, such as Precursor 1",
    FaultName.THERMOCOUPLE_OPEN: "a heater, such as Chamber Heater",
    FaultName.GAUGE_SATURATED: "a gauge, such as Pressure Gauge 1",
    FaultName.FLOW_ZERO_DRIFT: "a mass flow controller, such as MFC 1",
}
_PLANT: Final = frozenset(
    {
        *_COMPONENT_OF,
        FaultName.CHAMBER_LEAK,
        FaultName.LID_OPEN,
        FaultName.WATER_LOST,
        FaultName.AIR_LOST,
        FaultName.FROZEN,
        FaultName.PLC_RESTART,
    }
)
_ANSWERS: Final = frozenset(FaultName) - _PLANT - {FaultName.HALF_OPEN, FaultName.REFUSED}
_NUMBERS: Final[Mapping[str, Mapping[FaultName, float]]] = {
    "torr_l_s": {FaultName.VALVE_LEAKING: 0.02, FaultName.CHAMBER_LEAK: 0.05},
    "sccm": {FaultName.FLOW_ZERO_DRIFT: 2.0},
    "seconds": {FaultName.SLOW: 0.2, FaultName.LATE: 3.0},
    "code": {FaultName.EXCEPTION: 4},
}
"""Which numbers a fault takes, and what they are where nothing is said."""
CODES: Final = (1, 2, 3, 4, 5, 6, 8, 10, 11)
_MOST_SECONDS: Final = 3600.0
_LAST_ADDRESS: Final = 65_535
_LAST_UNIT: Final = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault as it is asked for; without its beginning and its end.

    Attributes:
        on: the component of the map that is broken; for `SLOW` and the other faults of answers empty.
        torr_l_s: gas that leaks.
        sccm: drift of the zero.
        seconds: real ones, by which answers are late.
        code: of the Modbus exception.
        unit: hits only requests to this unit; None hits all.
        first_address: hits only requests that touch an address from here on.
        last_address: and up to here.
        answers: ends after so many answers were hit; None goes on.

    Raises:
        FaultError: something is missing, does not belong to this fault or cannot be.
    """

    name: FaultName
    on: str = ""
    torr_l_s: float = 0.0
    sccm: float = 0.0
    seconds: float = 0.0
    code: int = 0
    unit: int | None = None
    first_address: int = 0
    last_address: int = _LAST_ADDRESS
    answers: int | None = None

    def __post_init__(self) -> None:
        component = _COMPONENT_OF.get(self.name)
        if component is not None and not self.on:
            raise FaultError(f"{self.name} needs 'on': {component}", key="name")
        if component is None and self.on:
            raise FaultError(f"{self.name} is not of one component, so it takes no 'on'", key="on")
        for key, faults in _NUMBERS.items():
            value = getattr(self, key)
            if value and self.name not in faults:
                raise FaultError(f"{self.name} takes no '{key}'", key=key)
            if not value and self.name in faults:
                object.__setattr__(self, key, faults[self.name])
        self._check_numbers()
        if not self.name.is_of_answers:
            for key, default in (("unit", None), ("first_address", 0), ("answers", None)):
                if getattr(self, key) != default:
                    raise FaultError(f"{self.name} hits no single answers, so it takes no '{key}'", key=key)
            if self.last_address != _LAST_ADDRESS:
                raise FaultError(
                    f"{self.name} hits no single answers, so it takes no 'last_address'", key="last_address"
                )

    def _check_numbers(self) -> None:
        if not (isfinite(self.torr_l_s) and self.torr_l_s >= 0):
            raise FaultError(f"torr_l_s must be 0 or more, not {self.torr_l_s:g}", key="torr_l_s")
        if not isfinite(self.sccm):
            raise FaultError(f"sccm must be a number, not {self.sccm:g}", key="sccm")
        if not 0 <= self.seconds <= _MOST_SECONDS:
            raise FaultError(f"seconds must be 0 to {_MOST_SECONDS:g}, not {self.seconds:g}", key="seconds")
        if self.code and self.code not in CODES:
            raise FaultError(f"code must be one of {', '.join(map(str, CODES))}, not {self.code}", key="code")
        if self.unit is not None and not 0 <= self.unit <= _LAST_UNIT:
            raise FaultError(f"unit must be 0 to {_LAST_UNIT}, not {self.unit}", key="unit")
        if not 0 <= self.first_address <= self.last_address <= _LAST_ADDRESS:
            raise FaultError(
                f"addresses {self.first_address} to {self.last_address} are none of 0 to {_LAST_ADDRESS}",
                key="first_address",
            )
        if self.answers is not None and self.answers < 1:
            raise FaultError(f"answers must be 1 or more, not {self.answers}", key="answers")

    def hits(self, unit: int, addresses: tuple[int, int] | None) -> bool:
        """Whether it concerns a request.

        Args:
            unit: asked by the request.
            addresses: the first and the last that it touches; None where it is about none.
        """
        if self.unit is not None and self.unit != unit:
            return False
        if addresses is None:
            return (self.first_address, self.last_address) == (0, _LAST_ADDRESS)
        return addresses[0] <= self.last_address and addresses[1] >= self.first_address

    def describe(self) -> dict[str, Any]:
        """What was asked for, without what is left at its default."""
        told: dict[str, Any] = {"name": self.name.value}
        for key, default in _DEFAULTS.items():
            if (value := getattr(self, key)) != default:
                told[key] = value
        return told


_TYPES: Final[Mapping[str, type]] = {
    "on": str,
    "torr_l_s": float,
    "sccm": float,
    "seconds": float,
    "code": int,
    "unit": int,
    "first_address": int,
    "last_address": int,
    "answers": int,
}
_DEFAULTS: Final[Mapping[str, object]] = {
    "on": "",
    "torr_l_s": 0.0,
    "sccm": 0.0,
    "seconds": 0.0,
    "code": 0,
    "unit": None,
    "first_address": 0,
    "last_address": _LAST_ADDRESS,
    "answers": None,
}
FAULT_KEYS: Final = ("name", *_TYPES)


def make_fault(fields: Mapping[str, Any]) -> Fault:
    """Build a fault from what a script or a command says.

    Raises:
        FaultError: with the key that is wrong, where one is.
    """
    for key in fields:
        if key not in FAULT_KEYS:
            raise FaultError(f"there is no {key!r}; expected {', '.join(FAULT_KEYS)}", key=key)
    name = fields.get("name")
    if name not in set(FaultName):
        known = ", ".join(FaultName)
        raise FaultError(f"there is no fault {name!r}; there are {known}" if name else "it has no 'name'", key="name")
    values = {key: _typed(key, value) for key, value in fields.items() if key != "name"}
    return Fault(name=FaultName(str(name)), **values)


def _typed(key: str, value: object) -> Any:
    wanted = _TYPES[key]
    if wanted is str and isinstance(value, str) and value:
        return value
    if wanted is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    form = {str: "a text", int: "a whole number", float: "a number"}[wanted]
    raise FaultError(f"{key!r} must be {form}, not {value!r}", key=key)
