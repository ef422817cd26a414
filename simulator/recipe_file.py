"""Recipes as TOML files: read strictly, so that a slip is named with its file and step and never made up for."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator import parameter_map
from simulator.controls import MOMENTARY, VALVE_COILS
from simulator.errors import RecipeError
from simulator.parameter_map import Definition
from simulator.recipe import MAX_CYCLES, MAX_POWER_W, MAX_STEP_US, Item, Loop, Recipe, RecipeStep, Wait
from simulator.tool_model import VALVES

DEFAULT_RECIPE: Final = "al2o3_thermal"
_FOLDER: Final = Path(__file__).parent / "recipes"
_MOST_S: Final = MAX_STEP_US / 1e6
_WAITABLE: Final = re.compile(
    r".*/(temperature_set|flow_set)|RF Generator/power_set|Throttle Valve/(position_set|pressure_set)"
)
"""Set-values whose reading says when they are reached."""

_Seconds = Annotated[float, Field(gt=0, le=_MOST_S, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=40)]
_Valve = Literal["Valve 1", "Valve 2", "Valve 3", "Valve 4", "Valve 5", "Valve 6"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Rest(_Strict):
    type: Literal["purge", "stabilise"]
    name: _Name
    duration_s: _Seconds


class _Dose(_Strict):
    type: Literal["valve"]
    name: _Name
    valve: _Valve
    duration_s: _Seconds


class _Plasma(_Strict):
    type: Literal["plasma"]
    name: _Name
    power_w: Annotated[float, Field(gt=0, le=MAX_POWER_W, allow_inf_nan=False)]
    duration_s: _Seconds
    valve: _Valve | None = None


class _Wait(_Strict):
    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    timeout_s: _Seconds


class _Set(_Strict):
    type: Literal["parameter"]
    name: _Name
    parameter: str
    value: Annotated[float, Field(allow_inf_nan=False)]
    wait: _Wait | None = None


class _Repeated(_Strict):
    type: Literal["loop"]
    name: _Name
    repeat: Annotated[int, Field(ge=1, le=MAX_CYCLES)]
    steps: Annotated[list["_Item"], Field(min_length=1)]


_Item = Annotated[Union[_Rest, _Dose, _Plasma, _Set, _Repeated], Field(discriminator="type")]  # noqa: UP007 (a forward reference is in it)


class _File(_Strict):
    name: str
    steps: Annotated[list[_Item], Field(min_length=1)]


_Repeated.model_rebuild()


def builtin_recipes() -> Mapping[str, Path]:
    """Give the recipes that come with the simulator, by the name of their file; the demo's is first."""
    paths = sorted(_FOLDER.glob("*.toml"), key=lambda path: (path.stem != DEFAULT_RECIPE, path.stem))
    return MappingProxyType({path.stem: path for path in paths})


@lru_cache(maxsize=1)
def builtin_library() -> tuple[Recipe, ...]:
    """Read all of them, in the order of the recipe register: the first is chosen by 1."""
    return tuple(read_recipe(path) for path in builtin_recipes().values())


def read_recipe(path: Path, *, definitions: Sequence[Definition] | None = None) -> Recipe:
    """Read a recipe.

    Args:
        path: a TOML file.
        definitions: the map whose parameters may be set; None takes that of the simulated tool.

    Raises:
        RecipeError: whatever is wrong with it: file, step (as ``steps[2].steps[0]``, and its name) and reason.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as fault:
        raise RecipeError(f"{path}: {getattr(fault, 'strerror', None) or fault}") from fault
    except tomllib.TOMLDecodeError as fault:
        raise RecipeError(f"{path}: {fault}") from fault
    try:
        file = _File.model_validate(_with_floats(raw))
    except ValidationError as fault:
        reasons = "; ".join(_reason(raw, error) for error in fault.errors())
        raise RecipeError(f"{path}: {reasons}") from fault
    known = definitions if definitions is not None else parameter_map.load(parameter_map.definitions_path())
    by_name = {definition.parameter.name: definition for definition in known}
    faults: list[str] = []
    steps = _items(file.steps, "steps", by_name, faults)
    if faults:
        raise RecipeError(f"{path}: {'; '.join(faults)}")
    try:
        return Recipe(name=file.name, steps=steps)
    except RecipeError as fault:
        raise RecipeError(f"{path}: {fault}") from fault


def _items(
    items: Sequence["_Rest | _Dose | _Plasma | _Set | _Repeated"],
    where: str,
    known: Mapping[str, Definition],
    faults: list[str],
) -> tuple[Item, ...]:
    made: list[Item] = []
    for place, item in enumerate(items):
        here = f"{where}[{place}]"
        match item:
            case _Repeated():
                steps = _items(item.steps, f"{here}.steps", known, faults)
                made.append(Loop(name=item.name, repeat=item.repeat, steps=steps))
            case _Set():
                faults += (f"{here} ({item.name!r}): {reason}" for reason in _set_faults(item, known))
                wait = None
                if item.wait is not None:
                    wait = Wait(tolerance=item.wait.tolerance, timeout_us=_us(item.wait.timeout_s))
                made.append(RecipeStep(name=item.name, parameter=item.parameter, value=item.value, wait=wait))
            case _Plasma():
                valve = None if item.valve is None else VALVES.index(item.valve) + 1
                duration_us = _us(item.duration_s)
                made.append(RecipeStep(name=item.name, duration_us=duration_us, open_valve=valve, power_w=item.power_w))
            case _Dose():
                valve = VALVES.index(item.valve) + 1
                made.append(RecipeStep(name=item.name, duration_us=_us(item.duration_s), open_valve=valve))
            case _Rest():
                made.append(RecipeStep(name=item.name, duration_us=_us(item.duration_s)))
    return tuple(made)


def _set_faults(item: _Set, known: Mapping[str, Definition]) -> list[str]:
    definition = known.get(item.parameter)
    if definition is None:
        return [f"the tool has no parameter {item.parameter!r}"]
    if not definition.is_writable or item.parameter in MOMENTARY or item.parameter in VALVE_COILS:
        return [f"{item.parameter} is no set-value that a recipe can give"]
    faults = []
    if definition.min_value is None or not definition.permits(item.value):
        faults.append(f"value {item.value:g} is outside {definition.min_value}…{definition.max_value}")
    if item.wait is not None and not _WAITABLE.fullmatch(item.parameter):
        faults.append(f"{item.parameter} has no reading to wait for")
    return faults


def _us(seconds: float) -> int:
    return max(1, round(seconds * 1e6))


def _with_floats(raw: Any) -> Any:
    """Let a whole number stand where seconds, watts or values are meant; nothing else is converted."""
    if isinstance(raw, dict):
        floats = {"duration_s", "timeout_s", "tolerance", "power_w", "value"}
        return {
            key: float(value) if key in floats and type(value) is int else _with_floats(value)
            for key, value in raw.items()
        }
    if isinstance(raw, list):
        return [_with_floats(value) for value in raw]
    return raw


def _reason(raw: Any, error: Any) -> str:
    """Say where a fault is as the file has it: the path of the step, its name, and the field."""
    where, step, node, is_item = "", None, raw, False
    for part in error["loc"]:
        is_kind, is_item = is_item, isinstance(part, int)
        if isinstance(part, int):
            where += f"[{part}]"
            node = node[part] if isinstance(node, list) and part < len(node) else None
        elif is_kind and isinstance(node, dict) and part == node.get("type"):
            continue  # which kind of step it is, not a field of it
        else:
            where += f".{part}" if where else str(part)
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict) and isinstance(node.get("name"), str):
            step = node["name"]
    named = f" (in {step!r})" if step else ""
    given = error.get("input")
    shown = f", not {given!r}" if isinstance(given, str | int | float) else ""
    return f"{where}{named}: {error['msg']}{shown}"
