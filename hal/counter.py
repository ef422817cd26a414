"""Counters of a device: what they gained, and whether they wrapped around or began anew. Pure."""

from dataclasses import dataclass
from typing import Final

from hal.parameter import DataType, Parameter

_WRAP_SHARE: Final = 0.25
"""A counter that falls from the highest quarter of its range into the lowest has wrapped; else it has restarted."""
_UNSIGNED: Final = frozenset({DataType.UINT16, DataType.UINT32})


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """What a counter gained between two readings.

    Attributes:
        increment: at least so much was counted; after a restart what was counted since it.
        has_wrapped: it passed the end of its range.
        has_restarted: it began anew, so what it counted between the last reading and the restart is not known.
    """

    increment: float
    has_wrapped: bool = False
    has_restarted: bool = False


def gain(before: float, now: float, *, modulus: float | None = None) -> Gain:
    """Set two readings of a counter against each other.

    Args:
        before: the earlier reading.
        now: the later reading.
        modulus: where the counter begins again from 0, as 65,536; None for one that never does.
    """
    if now >= before:
        return Gain(increment=now - before)
    if modulus is not None and before >= modulus * (1 - _WRAP_SHARE) and now < modulus * _WRAP_SHARE:
        return Gain(increment=max(now + modulus - before, 0.0), has_wrapped=True)
    return Gain(increment=max(now, 0.0), has_restarted=True)


def modulus_of(parameter: Parameter) -> float | None:
    """Where a counter begins again from 0, in engineering units; None where its type says nothing of that."""
    if parameter.data_type not in _UNSIGNED or parameter.offset != 0.0 or parameter.scale <= 0.0:
        return None
    return float(2 ** (16 * parameter.data_type.words)) * parameter.scale
