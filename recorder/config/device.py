"""How `config.toml` says in what way a device is read."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from hal.errors import DefinitionError
from hal.limits import AddressRange
from recorder.config.section import Seconds
from recorder.config.transport import TransportConfig


class DeviceConfig(TransportConfig):
    """One Modbus unit: how it is reached (`recorder.config.transport`), and how it is read."""

    backoff_max_s: Seconds = 5.0
    """Longest pause between two attempts to connect."""
    max_registers: int = Field(default=125, ge=1, le=125)
    """Registers in one request, at most."""
    max_bits: int = Field(default=2000, ge=1, le=2000)
    """Coils or discrete inputs in one request, at most."""
    max_register_gap: int = Field(default=16, ge=0, le=124)
    """Unused registers that one request may read along rather than make another request."""
    max_bit_gap: int = Field(default=256, ge=0, le=1999)
    """Unused bits that one request may read along."""
    forbidden: tuple[str, ...] = ()
    """Addresses that no request may touch, each as ``holding_register 100..109`` or ``coil 5``."""
    one_register_image: bool = False
    """Whether input and holding registers are one memory, so that function 3 reads both: only after
    ``ald-recorder check`` has seen that they agree."""

    heartbeat: str = ""
    """``component/parameter`` that changes as long as the program of the device runs; empty where there is none."""
    clock: str = ""
    """``component/parameter`` that counts time in the device: it must change too, and where it goes back, the device
    has restarted; empty where there is none."""
    frozen_after_s: Seconds = 5.0
    """How long heartbeat and clock may stand still before all values of the device are marked as frozen."""
    on_overload: Literal["warn", "degrade", "refuse"] = "warn"
    """What to do where the measured round trip makes the scan intervals impossible: record with skipped slots, make the
    intervals longer until they can be kept, or do not start."""
    probe_refused_s: Seconds = 600.0
    """Longest wait until an address that the device refused is tried again."""

    @model_validator(mode="after")
    def _gaps_fit_requests(self) -> Self:
        for gap, span in (("max_register_gap", "max_registers"), ("max_bit_gap", "max_bits")):
            if gap in self.model_fields_set and getattr(self, gap) > getattr(self, span):
                raise ValueError(
                    f"{gap} {getattr(self, gap)} is above {span} {getattr(self, span)}: "
                    "a gap is part of one request, so lower it"
                )
        return self

    @field_validator("forbidden")
    @classmethod
    def _forbidden_ranges(cls, forbidden: tuple[str, ...]) -> tuple[str, ...]:
        for text in forbidden:
            try:
                AddressRange.parse(text)
            except DefinitionError as error:
                raise ValueError(str(error)) from error
        return forbidden
