"""The device identification of function 43, type 14, without a socket.

Source: MODBUS Application Protocol Specification V1.1b3, section 6.21.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

BASIC: Final = 1
REGULAR: Final = 2
IDENTIFICATION_CODES: Final = (BASIC, REGULAR)

_MORE_FOLLOWS: Final = 0xFF
_NAMES: Final = (
    "vendor",
    "product_code",
    "revision",
    "vendor_url",
    "product_name",
    "model_name",
    "user_application_name",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identification:
    """One answer.

    Attributes:
        objects: name, or ``object_`` and its number, to text.
        next_object: where the rest begins; None where nothing follows.
    """

    objects: Mapping[str, str]
    next_object: int | None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the answer behind its type; `hal.pdu` has seen to its lengths."""
        more, next_object, count = data[2], data[3], data[4]
        objects: dict[str, str] = {}
        at = 5
        for _ in range(count):
            number, length = data[at], data[at + 1]
            name = _NAMES[number] if number < len(_NAMES) else f"object_{number}"
            objects[name] = data[at + 2 : at + 2 + length].decode("latin-1").strip("\0 ")
            at += 2 + length
        return cls(objects=objects, next_object=next_object if more == _MORE_FOLLOWS else None)
