"""Scripts of faults: what they say, and every slip named with its file and line."""

from pathlib import Path

import pytest

from simulator import SimulatedTool
from simulator.errors import FaultError
from simulator.fault import FaultName
from simulator.fault_script import read_script
from simulator.station import ServeOptions

NAMES = frozenset({"Process/cycle_number", "Valve 1/valve_state"})

GOOD = """\
# a run with a bad valve
[[fault]]
name = "valve_stuck_closed"
on = "Valve 1"
when = "cycle >= 3"
until = "cycle >= 5"

[[fault]]
name = "slow"
seconds = 0.05
unit = 1
at_s = 30
for_s = 2.5
"""


def script(folder: Path, text: str) -> Path:
    """A file of this text."""
    path = folder / "faults.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_says_what_breaks_and_when(tmp_path: Path) -> None:
    """Two cues, each with the line on which it begins."""
    stuck, slow = read_script(script(tmp_path, GOOD), NAMES, check=lambda _: None)
    assert (stuck.fault.name, stuck.fault.on, stuck.for_s) == (FaultName.VALVE_STUCK_CLOSED, "Valve 1", None)
    assert stuck.when is not None
    assert stuck.when.comparisons == (("Process/cycle_number", ">=", 3.0),)
    assert (slow.fault.seconds, slow.fault.unit, slow.at_s, slow.for_s) == (0.05, 1, 30.0, 2.5)
    assert (stuck.origin, slow.origin) == ("faults.toml, line 2", "faults.toml, line 8")


@pytest.mark.parametrize(
    ("what", "change", "line", "said"),
    [
        ("a fault's name", ('"slow"', '"slwo"'), 9, "no fault 'slwo'"),
        ("a key", ("for_s", "for_sec"), 13, "no 'for_sec'"),
        ("a condition", ("cycle >= 3", "cicle >= 3"), 5, "no parameter 'cicle'"),
        ("a number", ("at_s = 30", 'at_s = "soon"'), 12, "number of seconds"),
        ("a missing component", ('on = "Valve 1"\n', ""), 3, "needs 'on'"),
        ("a component of another fault", ("unit = 1", 'on = "Valve 1"'), 11, "takes no 'on'"),
        ("a table", ('[[fault]]\nname = "slow"', '[[falt]]\nname = "slow"'), 8, "no 'falt'"),
        ("a negative time", ("for_s = 2.5", "for_s = -1"), 13, "0 to"),
    ],
)
def test_a_slip_is_named_with_file_and_line(
    tmp_path: Path, what: str, change: tuple[str, str], line: int, said: str
) -> None:
    """The line of the very key."""
    path = script(tmp_path, GOOD.replace(*change))
    with pytest.raises(FaultError, match=said) as caught:
        read_script(path, NAMES, check=lambda _: None)
    assert f"{path}, line {line}: " in str(caught.value), what


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "no \\[\\[fault\\]\\]"), ("[[fault]\n", "not TOML.*line 1"), ("fault = 3\n", "must be tables")],
)
def test_a_file_that_is_no_script_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Empty, not TOML, or of another shape."""
    with pytest.raises(FaultError, match=said):
        read_script(script(tmp_path, text), NAMES, check=lambda _: None)


def test_a_missing_script_is_refused(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(FaultError, match=r"none\.toml: cannot be read"):
        read_script(tmp_path / "none.toml", NAMES, check=lambda _: None)


def test_a_component_that_the_tool_has_not_is_named_with_those_it_has(tmp_path: Path) -> None:
    """Before anything is served."""
    path = script(tmp_path, '[[fault]]\nname = "valve_leaking"\non = "Valve 7"\n')
    with pytest.raises(FaultError, match=r"line 3: .*no 'Valve 7'; there are Valve 1, Valve 2"):
        SimulatedTool(options=ServeOptions(fault_script=path))


async def test_a_script_breaks_a_running_tool_by_its_cycles(tmp_path: Path) -> None:
    """In cycle 2 the first valve lets nothing through, in cycle 3 it does again."""
    path = script(
        tmp_path,
        '[[fault]]\nname = "valve_stuck_closed"\non = "Valve 1"\nwhen = "cycle == 2"\nuntil = "cycle >= 3"\n',
    )
    options = ServeOptions(port=0, fault_script=path)
    peaks: list[float] = []
    async with SimulatedTool(speed=100, cycles=4, auto_start=True, options=options) as tool:
        for pulses in (1, 2, 3):
            await tool.wait_for(lambda state, pulses=pulses: state.valves[0].pulse_count >= pulses)  # type: ignore[misc]
            due = tool.state.step_index + 100
            await tool.wait_for(lambda state, due=due: state.step_index >= due)  # type: ignore[misc]
            peaks.append(tool.state.valves[0].peak_torr)
    assert peaks[1] < peaks[0]
    assert peaks[1] < peaks[2]
