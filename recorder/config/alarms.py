"""What `config.toml` may say of alarms on parameters: limits, how long they must be crossed, how urgent it is."""

from itertools import pairwise
from typing import Final

from pydantic import Field, model_validator

from recorder.alarms.alarm import Priority
from recorder.config.section import Section

LIMITS: Final = ("low_low", "low", "high", "high_high")
"""From the lowest to the highest."""
_LONGEST_DELAY_MS: Final = 3_600_000


class AlarmConfig(Section):
    """Limits of one parameter; each of them is an alarm of its own."""

    parameter: str
    """``component/parameter``, a number; a bit is 0 or 1."""
    high: float | None = Field(default=None, allow_inf_nan=False)
    """Above it there is an alarm; in the parameter's unit, as all limits."""
    low: float | None = Field(default=None, allow_inf_nan=False)
    """Below it there is an alarm."""
    high_high: float | None = Field(default=None, allow_inf_nan=False)
    """Above it there is a second alarm, whose priority is always high."""
    low_low: float | None = Field(default=None, allow_inf_nan=False)
    """Below it there is a second alarm, whose priority is always high."""
    deadband: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """How far within the limit the value must come back, so that noise at the limit raises one alarm and not many."""
    on_delay_ms: int = Field(default=1000, ge=0, le=_LONGEST_DELAY_MS)
    """How long the limit must be crossed, in each sample that could be read, before the alarm is raised."""
    off_delay_ms: int = Field(default=1000, ge=0, le=_LONGEST_DELAY_MS)
    """How long the value must be back before the alarm returns to normal."""
    priority: Priority = Priority.MEDIUM
    """low, medium or high: how soon somebody has to act."""
    text: str = Field(default="", max_length=200)
    """For the operator: what it means or what to do; without it the parameter's name and the limit."""

    @property
    def limits(self) -> dict[str, float]:
        """Those that are given, from the lowest to the highest."""
        given = {name: getattr(self, name) for name in LIMITS}
        return {name: limit for name, limit in given.items() if limit is not None}

    @model_validator(mode="after")
    def _limits_agree(self) -> "AlarmConfig":
        if not self.limits:
            raise ValueError(f"{self.parameter!r} has no limit: give one of {', '.join(LIMITS)}")
        for (lower, below), (upper, above) in pairwise(self.limits.items()):
            if below >= above:
                raise ValueError(f"{lower} {below:g} is not below {upper} {above:g}: exchange them")
        if self.low is not None and self.high is not None and self.deadband >= self.high - self.low:
            raise ValueError(f"deadband {self.deadband:g} leaves nothing between low and high: make it smaller")
        return self
