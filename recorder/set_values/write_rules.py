"""What may be written to the tool: off by default, and never more than `config.toml` on the controller allows.

Whoever can write to the database must not thereby steer the tool, so the allow-list and its hard limits stand there
(`recorder.config.writes`); limits of the database only narrow them. Pure: `refusal` decides by what it is told.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hal.parameter import DataType, Parameter
from hal.write_plan import WRITABLE_KINDS
from recorder.config.writes import WriteRule, WritesConfig
from recorder.set_values.cache import SetValue

LONGEST_REASON: Final = 500
SWITCHED_OFF: Final = "writing is switched off: [writes] enabled = true in config.toml on the controller allows it"
_WHOLE: Final = frozenset(DataType) - {DataType.FLOAT32, DataType.FLOAT64, DataType.ASCII}


class RecipeState(StrEnum):
    """Whether the tool runs a recipe."""

    RUNNING = "running"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A write that is asked for, and what is known around it.

    Attributes:
        target: where it would be written.
        limits: of the database; never stale.
        since_last_s: seconds since this parameter was written last; None where it was not.
        asks_during_recipe: whether the command says that it shall be written during a recipe too.
    """

    device: str
    target: Parameter
    value: float
    limits: SetValue
    recipe: RecipeState
    asks_during_recipe: bool
    since_last_s: float | None


def refusal(config: WritesConfig, attempt: Attempt) -> str | None:
    """Why a write must not be made, in one line that says what to do; None where it may."""
    if not config.enabled:
        return SWITCHED_OFF
    rule = config.rule_of(attempt.device, attempt.target)
    if rule is None:
        place = f"{attempt.target.kind} {attempt.target.address}..{attempt.target.last_address}"
        return (
            f"{place} of device {attempt.device} is on no allow-list: "
            "add it to [[writes.allow]] in config.toml on the controller"
        )
    judges = (_refused_definition, _refused_value, _refused_limits, _refused_moment)
    return next((reason for judge in judges if (reason := judge(rule, attempt)) is not None), None)


def _refused_definition(rule: WriteRule, attempt: Attempt) -> str | None:
    wrong = rule.contradiction(attempt.target)
    if wrong is not None:
        return f"its definition says {wrong}, as its rule in config.toml has it: correct the one that is wrong"
    if not attempt.limits.is_writable:
        return "the definitions do not call it writable: set is_writable and import them"
    return None


def _refused_value(_rule: WriteRule, attempt: Attempt) -> str | None:
    if attempt.target.data_type is DataType.ASCII:
        return "it is a text, and only numbers are set-values"
    if not math.isfinite(attempt.value):
        return f"{attempt.value} is no number that a tool can hold"
    if attempt.target.data_type is DataType.BINARY and attempt.value not in {0.0, 1.0}:
        return f"{attempt.value:g} is neither 0 nor 1, and it is a bit"
    target, value = attempt.target, attempt.value
    if target.data_type in _WHOLE and value != round(value) and target.scale == 1 and target.offset == 0:
        return f"{value:g} is no whole number, and {target.data_type} holds nothing else"
    return None


def _refused_limits(rule: WriteRule, attempt: Attempt) -> str | None:
    value, limits = attempt.value, attempt.limits
    if not rule.hard_min <= value <= rule.hard_max:
        return f"{value:g} is outside the hard limits {rule.hard_min:g}…{rule.hard_max:g} of config.toml"
    low = -math.inf if limits.min_value is None else limits.min_value
    high = math.inf if limits.max_value is None else limits.max_value
    if not low <= value <= high:
        return f"{value:g} is outside the limits {low:g}…{high:g} of its definition"
    return None


def _refused_moment(rule: WriteRule, attempt: Attempt) -> str | None:
    if attempt.since_last_s is not None and attempt.since_last_s < rule.min_interval_s:
        wait_s = rule.min_interval_s - attempt.since_last_s
        return f"it was written {attempt.since_last_s:.1f} s ago: wait another {wait_s:.1f} s (min_interval_s)"
    if attempt.recipe is RecipeState.NONE:
        return None
    state = "a recipe runs" if attempt.recipe is RecipeState.RUNNING else "whether a recipe runs is not known"
    if not rule.during_recipe:
        return f"{state}, and its rule does not allow that (during_recipe)"
    if not attempt.asks_during_recipe:
        return f"{state}: say --during-recipe if it shall be written all the same"
    return None


def target_of(parameter: Parameter, write_address: int | None) -> Parameter | None:
    """Where a parameter is written: its write address, else its own; None where neither can be written."""
    if write_address is not None:
        kind = next(k for k in sorted(WRITABLE_KINDS) if k.is_bit == parameter.kind.is_bit)
        return _placed(parameter, {"kind": kind, "address": write_address})
    return _placed(parameter, {}) if parameter.kind in WRITABLE_KINDS else None


def _placed(parameter: Parameter, place: Mapping[str, object]) -> Parameter:
    """The same value at another place, without what judges only readings."""
    fields = {name: getattr(parameter, name) for name in parameter.__dataclass_fields__}
    return Parameter(**{**fields, **place, "sentinels": (), "range_low": None, "range_high": None})
