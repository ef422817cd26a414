"""A check over RTU at 9,600 baud: it ends in reasonable time, its times are the line's, and it keeps its rules."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from hal.codec import encode
from hal.parameter import RegisterKind
from recorder.check.run import run_check
from recorder.check.verdict import Line, Report, Verdict
from recorder.config.file import Config, load
from recorder.definitions.definitions import Definition
from recorder.definitions.export import write_definition_file
from simulator.array_memory import ArrayMemory
from simulator.memory import Unit
from tests.recorder.check.slow_line import request_s, slow_line

pytestmark = pytest.mark.alone

HOLDING = RegisterKind.HOLDING_REGISTER
BLOCKS = (0, 200, 400)
FLOATS = 10
"""Ten floats in each of three blocks: 20 registers each."""


def definitions(device: str) -> list[Definition]:
    """Thirty temperatures in three blocks, once a second."""
    return [
        Definition.model_validate(
            {
                "component": device,
                "name": f"temperature_{first + 2 * n}",
                "device": device,
                "unit": "°C",
                "register_kind": HOLDING,
                "address": first + 2 * n,
                "data_type": "float32",
                "word_order": "CDAB",
                "scan_interval_ms": 1000,
                "range_low": 0,
                "range_high": 400,
            }
        )
        for first in BLOCKS
        for n in range(FLOATS)
    ]


def unit(members: Sequence[Definition]) -> Unit:
    """A controller with 500 holding registers, which hold the temperatures."""
    image = [0] * 500
    for n, definition in enumerate(members):
        assert definition.address is not None
        image[definition.address : definition.address + 2] = encode(definition.to_parameter(), 20.13 + 7.7 * n).tolist()
    return Unit(memory=ArrayMemory({HOLDING: (0, image)}))


def configured(folder: Path, path: str, *, units: int, fields: str = "") -> Config:
    """A configuration of units on one serial port."""
    file = folder / "config.toml"
    sections = [
        f'[devices.oven_{number}]\ntransport = "rtu"\nserial_path = "{path}"\nbaud = 9600\nparity = "none"\n'
        f"unit = {number}\nturnaround_ms = 60\n{fields}\n"
        for number in range(1, units + 1)
    ]
    file.write_text("\n".join(sections), encoding="utf-8")
    return load(file)


def lines_of(report: Report, section: str, verdict: Verdict | None = None) -> list[Line]:
    """Lines of a section, all or those of one verdict."""
    return [line for line in report.lines if line.section.startswith(section) and verdict in {None, line.verdict}]


@pytest.mark.timeout(120)
async def test_a_check_of_a_slow_line_ends_tells_its_times_and_keeps_its_rules(tmp_path: Path) -> None:
    """Two units with thirty floats each: every request finds the line silent and free, and waits for its answer."""
    everything = [*definitions("oven_1"), *definitions("oven_2")]
    file = tmp_path / "map.csv"
    write_definition_file(file, everything)
    units = {1: unit(everything[:30]), 2: unit(everything[30:])}
    report, loop = Report(), asyncio.get_running_loop()
    async with slow_line(units, silent_on=frozenset({43})) as line:
        config = configured(tmp_path, line.path, units=2)
        begun_s = loop.time()
        await run_check(config, report, file=file, watched_s=0.1)
        took_s = loop.time() - begun_s
    assert report.is_well, [each.message for each in report.lines if each.verdict is Verdict.FAULT]
    assert (line.collisions, line.hasty) == (0, 0)
    assert {function for _, function in line.requests} <= {1, 2, 3, 4, 43}
    for number in (1, 2):
        section = f"Device oven_{number}"
        assert sum(its == number for its, _ in line.requests) <= 50
        assert any("does not answer function 43" in each.message for each in lines_of(report, section))
        assert len(lines_of(report, f"Parameters of oven_{number}", Verdict.OK)) == 30
        [reachable] = [each for each in lines_of(report, section) if "p50_ms" in each.data]
        one_ms = 1000 * request_s(2 * FLOATS)
        assert reachable.data["unanswered"] == 0
        # never less than the line takes; the machine of a test run is busy
        assert one_ms <= reachable.data["p50_ms"] < 1.5 * one_ms
        [plan] = [each for each in lines_of(report, section) if "expected_ms" in each.data]
        assert plan.data["requests"] == len(BLOCKS)
        assert 3 * one_ms <= plan.data["expected_ms"] < 4.5 * one_ms
    # nearly all of the time is the line's own, with the two time-outs of function 43, and the clock's second
    assert took_s < 1.5 * line.busy_s + 8


async def test_an_adapter_that_echoes_is_a_fault_that_names_the_setting(tmp_path: Path) -> None:
    """One line for the device, and nothing of it is taken for data; with the setting all is read."""
    members = definitions("oven_1")
    file = tmp_path / "map.csv"
    write_definition_file(file, members[:1])
    async with slow_line({1: unit(members)}, echoes=True) as line:
        report = Report()
        await run_check(configured(tmp_path, line.path, units=1), report, file=file, watched_s=0.01)
        [fault] = lines_of(report, "Device oven_1")
        assert fault.verdict is Verdict.FAULT
        assert fault.message == (
            "read holding_register 0..1: the adapter echoes what is sent: set devices.oven_1.echo = true"
        )
        assert not lines_of(report, "Parameters of oven_1")
    async with slow_line({1: unit(members)}, echoes=True) as line:
        report = Report()
        config = configured(tmp_path, line.path, units=1, fields="echo = true")
        await run_check(config, report, file=file, watched_s=0.01)
        [value] = lines_of(report, "Parameters of oven_1")
        assert value.data["value"] == pytest.approx(20.13)
        assert any("says that it is" in each.message for each in lines_of(report, "Device oven_1"))
