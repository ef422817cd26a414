"""What `config.toml` allows to be written to the tool, which nothing in the database overrides."""

from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from hal.errors import DefinitionError
from hal.limits import AddressRange
from hal.parameter import DataType, Parameter, WordOrder
from hal.write_plan import WRITABLE_KINDS
from recorder.config.section import Section

_ENCODING: Final = ("data_type", "word_order", "scale", "offset")


class WriteRule(Section):
    """Registers of one device that may be written, and the limits that nothing overrides."""

    device: str
    """Device of the definitions."""
    addresses: str
    """Which of its addresses, as ``holding_register 2000..2001`` or ``coil 5``."""
    data_type: DataType
    """How these registers hold a value: a definition that says another is not written."""
    word_order: WordOrder = WordOrder.CDAB
    """The same, of the order of words and bytes."""
    scale: float = Field(default=1.0, allow_inf_nan=False)
    """The same, of the factor from the raw value to the unit, without which hard limits would mean nothing."""
    offset: float = Field(default=0.0, allow_inf_nan=False)
    """The same, of what is added to it."""
    hard_min: float = Field(allow_inf_nan=False)
    """Lowest value that may be written, in the parameter's unit."""
    hard_max: float = Field(allow_inf_nan=False)
    """Highest value that may be written."""
    min_interval_s: float = Field(default=1.0, ge=0, le=86_400)
    """Shortest time between two writes of one parameter: some devices wear out by writing."""
    during_recipe: bool = False
    """Whether it may be written while a recipe runs, where the command asks for that too."""
    read_back_within_ms: float = Field(default=500.0, ge=0, le=60_000)
    """How long the device may take until it reads back what was written."""

    @field_validator("addresses")
    @classmethod
    def _writable_addresses(cls, text: str) -> str:
        try:
            found = AddressRange.parse(text)
        except DefinitionError as error:
            raise ValueError(str(error)) from error
        if found.kind not in WRITABLE_KINDS:
            raise ValueError(f"a {found.kind} cannot be written: name holding_register or coil")
        return text

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.hard_min > self.hard_max:
            raise ValueError(f"hard_min {self.hard_min:g} is above hard_max {self.hard_max:g}: exchange them")
        return self

    def covers(self, device: str, target: Parameter) -> bool:
        """Whether all words of a parameter lie within its addresses."""
        allowed = AddressRange.parse(self.addresses)
        within = allowed.first <= target.address and target.last_address <= allowed.last
        return self.device == device and allowed.kind is target.kind and within

    def contradiction(self, target: Parameter) -> str | None:
        """What of a parameter's encoding is not as the rule says, or None."""
        fields = ("data_type", "scale", "offset") if target.kind.is_bit else _ENCODING
        for field in fields:
            ours, theirs = getattr(self, field), getattr(target, field)
            if ours != theirs:
                return f"{field} {theirs} instead of {ours}"
        return None


class WritesConfig(Section):
    """Writing set-values to the tool."""

    enabled: bool = False
    """Whether anything may be written to the tool at all."""
    allow: tuple[WriteRule, ...] = ()
    """What may be written; the first rule that covers a parameter counts."""

    def rule_of(self, device: str, target: Parameter) -> WriteRule | None:
        """The rule that covers a parameter, or None."""
        return next((rule for rule in self.allow if rule.covers(device, target)), None)
