"""Limits of alarms against scans: deadband, delays, and values that could not be read."""

from typing import Any

import numpy as np
import pytest

from hal.parameter import DataType, RegisterKind
from hal.plan import ReadPlan, plan_reads
from hal.quality import Quality
from hal.scan import Scan
from recorder.alarms.alarm import Priority
from recorder.alarms.limit_watch import LimitWatch, limits_of
from recorder.config.alarms import AlarmConfig
from recorder.definitions.definitions import Definition, DefinitionSet
from recorder.errors import ConfigurationError

SECOND_NS = 1_000_000_000
NAMES = ("other", "pressure", "heater")
DEFINITIONS = DefinitionSet(
    machine="Test tool",
    definitions=(
        *(
            Definition(
                id=at + 1,
                component="Chamber",
                name=name,
                unit="Torr",
                register_kind=RegisterKind.HOLDING_REGISTER,
                address=2 * at,
                data_type=DataType.FLOAT32,
            )
            for at, name in enumerate(NAMES)
        ),
        Definition(
            id=4,
            component="Chamber",
            name="recipe",
            register_kind=RegisterKind.HOLDING_REGISTER,
            address=20,
            length=4,
            data_type=DataType.ASCII,
        ),
        Definition(id=5, component="Chamber", name="nowhere"),
    ),
)


def alarm(parameter: str = "Chamber/pressure", **fields: Any) -> AlarmConfig:
    """Limits of a parameter, without delays where none are given."""
    return AlarmConfig(**{"parameter": parameter, "on_delay_ms": 0, "off_delay_ms": 0, **fields})


class Bench:
    """Scans of one plan, second by second."""

    def __init__(self, *alarms: AlarmConfig, active: frozenset[str] = frozenset()) -> None:
        self.plan: ReadPlan = plan_reads([d.to_parameter() for d in DEFINITIONS.definitions[:3]])
        self.watch = LimitWatch(limits_of(alarms, DEFINITIONS), is_active=active.__contains__)
        self.now_ns = 0

    def scan(self, pressure: float | None, *, heater: float = 20.0, quality: Quality = Quality.GOOD) -> list[str]:
        """One scan; what it changes as the last part of the alarm and its value."""
        values = {"other": 0.0, "pressure": np.nan if pressure is None else pressure, "heater": heater}
        ids = [parameter.parameter_id for parameter in self.plan.rows]
        codes = [int(quality) if NAMES[i - 1] == "pressure" else int(Quality.GOOD) for i in ids]
        scan = Scan(
            device="plc",
            parameter_ids=self.plan.parameter_ids,
            monotonic_ns=np.full(len(ids), self.now_ns, np.int64),
            values=np.array([values[NAMES[i - 1]] for i in ids]),
            set_values=np.full(len(ids), np.nan),
            quality=np.array(codes, np.int16),
            requests=1,
            failed_blocks=0,
            cause=None,
            error=None,
            started_ns=self.now_ns,
            ended_ns=self.now_ns,
        )
        self.now_ns += SECOND_NS
        return [
            f"{crossed.alarm.id.rpartition(':')[2]} {'on' if crossed.is_active else 'off'} {crossed.value:g}"
            for crossed in self.watch.look(self.plan, scan)
        ]


def test_a_limit_is_crossed_beyond_it_and_not_at_it() -> None:
    """High and low alike; each limit of a parameter is an alarm of its own."""
    bench = Bench(alarm(high=5, high_high=8, low=1, low_low=0.5))
    assert [bench.scan(value) for value in (5.0, 5.1, 9.0, 5.0)] == [
        [],
        ["high on 5.1"],
        ["high_high on 9"],
        ["high off 5", "high_high off 5"],
    ]
    assert [bench.scan(value) for value in (1.0, 0.1, 2.0)] == [
        [],
        ["low_low on 0.1", "low on 0.1"],
        ["low_low off 2", "low off 2"],
    ]


def test_a_deadband_keeps_noise_at_the_limit_from_many_alarms() -> None:
    """It must come back so far within."""
    bench = Bench(alarm(high=5, deadband=1, low=1))
    assert [bench.scan(value) for value in (5.1, 4.9, 5.1, 4.01, 4.0)] == [["high on 5.1"], [], [], [], ["high off 4"]]
    assert [bench.scan(value) for value in (0.9, 1.9, 2.0)] == [["low on 0.9"], [], ["low off 2"]]


def test_delays_ask_for_every_sample() -> None:
    """One sample within the limit begins the time anew, and so does one within the deadband on the way back."""
    bench = Bench(alarm(high=5, deadband=1, on_delay_ms=2000, off_delay_ms=1000))
    assert [bench.scan(value) for value in (6, 6, 5, 6, 6, 6.5)] == [[], [], [], [], [], ["high on 6.5"]]
    assert [bench.scan(value) for value in (3, 4.5, 3, 3.5)] == [[], [], [], ["high off 3.5"]]


@pytest.mark.parametrize("quality", [Quality.NOT_CONNECTED, Quality.SENSOR_FAILURE, Quality.COMMUNICATION_FAILURE])
def test_what_could_not_be_read_neither_raises_nor_clears(quality: Quality) -> None:
    """Bad samples are passed over: the next good one decides, and the time has passed meanwhile."""
    bench = Bench(alarm(high=5, on_delay_ms=3000))
    assert bench.scan(6.0) == []
    assert [bench.scan(None, quality=quality) for _ in range(9)] == [[]] * 9
    assert bench.scan(6.0) == ["high on 6"]
    assert [bench.scan(None, quality=quality) for _ in range(9)] == [[]] * 9
    assert bench.scan(5.0) == ["high off 5"]


def test_an_uncertain_value_counts() -> None:
    """Out of the range of its signal is where an alarm is needed most."""
    assert Bench(alarm(high=5)).scan(6.0, quality=Quality.OUT_OF_RANGE) == ["high on 6"]


def test_what_held_before_a_restart_is_not_raised_again() -> None:
    """It only returns."""
    bench = Bench(alarm(high=5), active=frozenset({"Chamber/pressure:high"}))
    assert [bench.scan(value) for value in (6.0, 5.0, 6.0)] == [[], ["high off 5"], ["high on 6"]]


def test_several_parameters_are_looked_at_at_once() -> None:
    """And a plan that has none of them is passed by."""
    bench = Bench(alarm(high=5), alarm("Chamber/heater", low=10))
    assert bench.scan(6.0, heater=9.0) == ["high on 6", "low on 9"]
    bench.plan = plan_reads([DEFINITIONS.definitions[0].to_parameter()])
    assert bench.scan(6.0) == []


def test_an_alarm_says_what_it_is_about() -> None:
    """The operator's text where there is one; the outer limits are always urgent."""
    high, second = limits_of([alarm(high=5, high_high=8, priority="low")], DEFINITIONS)
    assert (high.alarm.text, high.alarm.priority) == ("Chamber/pressure above 5 Torr", Priority.LOW)
    assert (second.alarm.id, second.alarm.priority) == ("Chamber/pressure:high_high", Priority.HIGH)
    (low,) = limits_of([alarm(low=5, text="close the valve")], DEFINITIONS)
    assert low.alarm.text == "close the valve"


@pytest.mark.parametrize(
    ("alarms", "message"),
    [
        ([alarm("Chamber/nothing", high=1)], r"alarms\.0\.parameter: 'Chamber/nothing': no such parameter in the"),
        ([alarm(high=1), alarm("Chamber/nowhere", high=1)], r"alarms\.1\.parameter: .*that parameter is not read in"),
        ([alarm("Chamber/recipe", high=1)], "that parameter is text and has no limits"),
        ([alarm(high=1), alarm(low=0)], r"'Chamber/pressure' has alarms already: write its limits together"),
    ],
)
def test_an_alarm_on_what_is_not_there_is_refused(alarms: list[AlarmConfig], message: str) -> None:
    """With one line, before anything is recorded."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        limits_of(alarms, DEFINITIONS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "has no limit: give one of low_low, low, high, high_high"),
        ({"high": 1, "low": 2}, "low 2 is not below high 1"),
        ({"high": 1, "low": 0, "deadband": 1}, "deadband 1 leaves nothing between low and high"),
        ({"high": "nan"}, "finite number"),
        ({"high": 1, "priority": "urgent"}, "'low', 'medium' or 'high'"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(fields: dict[str, Any], message: str) -> None:
    """By the configuration itself."""
    with pytest.raises(ValueError, match=message):
        alarm(**fields)
