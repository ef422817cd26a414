"""An analog input as a PLC scales it: so many volts are so much of a quantity, less what a zero calibration took."""

from dataclasses import dataclass
from typing import Final

FULL_SCALE_V: Final = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """What the scale registers of an input say.

    Attributes:
        low: quantity at ``low_v``.
        high: quantity at ``high_v``.
        instrument_high: quantity for which the instrument itself gives `FULL_SCALE_V`.
    """

    low: float
    high: float
    low_v: float
    high_v: float
    instrument_high: float

    def shown(self, quantity: float, zero: float) -> float:
        """What the register says of a true quantity: equal to it as long as the scale is that of the instrument."""
        volts = min(max((quantity - zero) / self.instrument_high, -0.1), 1.0) * FULL_SCALE_V
        span_v = self.high_v - self.low_v
        return self.low + (volts - self.low_v) * (self.high - self.low) / span_v if span_v else self.low

    def meant(self, shown: float) -> float:
        """The true quantity that a set-value in this scale asks of the instrument."""
        span = self.high - self.low
        volts = self.low_v + (shown - self.low) * (self.high_v - self.low_v) / span if span else 0.0
        return min(max(volts / FULL_SCALE_V, 0.0), 1.0) * self.instrument_high
