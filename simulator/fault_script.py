"""Scripts of faults: a TOML file with one ``[[fault]]`` for each cue.

[[fault]]
name = "valve_stuck_closed"
on = "Valve 1"
when = "cycle >= 3"       # or at_s = 30.0, or both; without either at once
until = "cycle >= 5"      # or for_s = 20.0; without either to the end
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from simulator.condition import Condition, make_condition
from simulator.errors import FaultError
from simulator.fault import FAULT_KEYS, Fault, FaultName, make_fault
from simulator.fault_board import RESTART_S, Cue

CUE_KEYS: Final = ("at_s", "when", "for_s", "until")
_TABLE: Final = re.compile(r"\s*\[\[\s*fault\s*\]\]")
_MOST_SECONDS: Final = 1e7


def make_cue(fields: Mapping[str, Any], names: frozenset[str], *, origin: str = "command", now_s: float = 0.0) -> Cue:
    """Build a cue from what a script or a command says.

    Args:
        fields: of the fault and of its beginning and end.
        names: every parameter of the tool, for conditions.
        origin: where it was written.
        now_s: what ``at_s`` counts from.

    Raises:
        FaultError: with the key that is wrong, where one is.
    """
    for key in fields:
        if key not in {*FAULT_KEYS, *CUE_KEYS}:
            raise FaultError(f"there is no {key!r}; expected {', '.join((*FAULT_KEYS, *CUE_KEYS))}", key=key)
    fault = make_fault({key: value for key, value in fields.items() if key in FAULT_KEYS})
    for_s = _seconds(fields, "for_s")
    if fault.name is FaultName.PLC_RESTART and for_s is None and "until" not in fields:
        for_s = RESTART_S
    return Cue(
        fault=fault,
        at_s=now_s + (_seconds(fields, "at_s") or 0.0),
        when=_condition(fields, "when", names),
        for_s=for_s,
        until=_condition(fields, "until", names),
        origin=origin,
    )


def read_script(path: Path, names: frozenset[str], *, check: Callable[[Fault], None]) -> tuple[Cue, ...]:
    """Read a script.

    Args:
        path: the file.
        names: every parameter of the tool, for conditions.
        check: raises FaultError for a fault that the tool cannot have.

    Raises:
        FaultError: it cannot be read, or says what cannot be; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise FaultError(f"{path}: cannot be read: {getattr(fault, 'strerror', None) or fault}") from fault
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise FaultError(f"{path}: not TOML: {fault}") from fault
    for key in content:
        if key != "fault":
            raise FaultError(f"{path}, line {_line(text, key)}: there is no {key!r}; a script has only [[fault]]")
    tables = content.get("fault", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise FaultError(f"{path}: 'fault' must be tables, each begun by [[fault]]")
    if not tables:
        raise FaultError(f"{path}: there is no [[fault]] in it")
    cues = []
    for index, table in enumerate(tables):
        try:
            cue = make_cue(table, names, origin=f"{path.name}, line {_line_of_table(text, index)}")
            check(cue.fault)
            cues.append(cue)
        except FaultError as fault:
            line = _line_of_table(text, index, key=fault.key)
            raise FaultError(f"{path}, line {line}: {fault}", key=fault.key) from fault
    return tuple(cues)


def _seconds(fields: Mapping[str, Any], key: str) -> float | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FaultError(f"{key!r} must be a number of seconds, not {value!r}", key=key)
    if not 0 <= value <= _MOST_SECONDS:
        raise FaultError(f"{key!r} must be 0 to {_MOST_SECONDS:g} seconds, not {value:g}", key=key)
    return float(value)


def _condition(fields: Mapping[str, Any], key: str, names: frozenset[str]) -> Condition | None:
    text = fields.get(key)
    if text is None:
        return None
    if not isinstance(text, str):
        raise FaultError(f"{key!r} must be a text such as 'cycle >= 3', not {text!r}", key=key)
    try:
        return make_condition(text, names)
    except FaultError as fault:
        raise FaultError(f"{key}: {fault}", key=key) from fault


def _line_of_table(text: str, index: int, *, key: str = "") -> int:
    """The line of a key of the table with this index, or of the table's head where it is written in another way."""
    heads = [number for number, line in enumerate(text.splitlines(), start=1) if _TABLE.match(line)]
    if index >= len(heads):
        return 1
    first = heads[index]
    last = heads[index + 1] - 1 if index + 1 < len(heads) else len(text.splitlines())
    if key:
        for number, line in enumerate(text.splitlines()[first:last], start=first + 1):
            if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return number
    return first


def _line(text: str, key: str) -> int:
    """The first line on which a key is written."""
    pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}\b")
    return next((number for number, line in enumerate(text.splitlines(), start=1) if pattern.match(line)), 1)
