"""Data quality as the OPC quality byte, the words every historian engineer knows.

Source: OPC Data Access Custom Interface Specification 3.00, section 6.8 (quality flags).
"""

from enum import IntEnum
from typing import Final


class Quality(IntEnum):
    """One code on every stored point; 192 and up good, 64 and up uncertain, below bad (value is NULL)."""

    BAD = 0
    REFUSED = 4
    """The device refused the address (OPC: configuration error)."""
    NOT_CONNECTED = 8
    SENSOR_FAILURE = 16
    """A sentinel, a rail, or a float that is no number."""
    COMMUNICATION_FAILURE = 24
    """No answer in time, or an answer that is not data."""
    OUT_OF_SERVICE = 28
    UNCERTAIN = 64
    """Read after a line had to be flushed."""
    FROZEN = 68
    """The source no longer moves (OPC: last usable value)."""
    OUT_OF_RANGE = 84
    """Outside ``range_low``…``range_high`` (OPC: engineering units exceeded)."""
    GOOD = 192


FIRST_UNCERTAIN: Final = 64
"""Codes below this are bad and carry no value."""


MEANING: Final = {
    Quality.BAD: "bad, cause unknown",
    Quality.REFUSED: "address refused by the device",
    Quality.NOT_CONNECTED: "device not connected",
    Quality.SENSOR_FAILURE: "sensor failure or sentinel",
    Quality.COMMUNICATION_FAILURE: "communication failure",
    Quality.OUT_OF_SERVICE: "out of service",
    Quality.UNCERTAIN: "uncertain: first value after a flushed line",
    Quality.FROZEN: "uncertain: source is frozen",
    Quality.OUT_OF_RANGE: "uncertain: outside the range of the signal",
    Quality.GOOD: "good",
}
