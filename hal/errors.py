"""What can go wrong between the recorder and a device.

HalError
├── DefinitionError          a parameter or a plan that cannot be, known before any request
└── LinkError                a request that brought no data; names operation, device and address
    ├── NotConnectedError    no connection: refused, unreachable, closed by the peer
    ├── RequestTimeoutError  no answer within the deadline (also a TimeoutError)
    ├── RefusedError         the device answered with a Modbus exception
    └── MalformedError       an answer that does not fit the request: short, long, of another unit or function
"""

from typing import Final

MODBUS_EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
"""Exception codes of the MODBUS Application Protocol Specification V1.1b3, section 7."""


class HalError(Exception):
    """Root of everything that the equipment side raises on purpose."""


class DefinitionError(HalError):
    """A parameter or plan that cannot be read as it is defined."""


class LinkError(HalError):
    """A request that brought no data.

    Args:
        operation: what was asked, for example ``read holding_register 2000..2019``.
        device: name of the device.
        reason: what happened, in words.

    Attributes:
        was_sent: whether the request went out.
        is_consequence: whether another request ended the connection, and tells why.
    """

    cause: str = "link"
    """Short name under which the accounting counts this failure."""

    def __init__(self, *, operation: str, device: str, reason: str) -> None:
        super().__init__(f"{device}: {operation}: {reason}")
        self.operation = operation
        self.device = device
        self.reason = reason
        self.was_sent = True
        self.is_consequence = False


class NotConnectedError(LinkError):
    """There is no connection to the device."""

    cause = "not_connected"


class RequestTimeoutError(LinkError, TimeoutError):
    """The device did not answer within the deadline."""

    cause = "timeout"


class RefusedError(LinkError):
    """The device answered with a Modbus exception.

    Args:
        exception_code: the code of the response, see `MODBUS_EXCEPTIONS`.
    """

    cause = "refused"

    def __init__(self, *, operation: str, device: str, exception_code: int) -> None:
        meaning = MODBUS_EXCEPTIONS.get(exception_code, "unknown")
        super().__init__(
            operation=operation, device=device, reason=f"refused with exception {exception_code} ({meaning})"
        )
        self.exception_code = exception_code


class MalformedError(LinkError):
    """The answer does not fit the request, so none of it is data."""

    cause = "malformed"
