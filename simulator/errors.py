"""What can go wrong in the simulated tool.

SimulatorError
├── OptionError              a speed, seed or number of cycles that cannot be
├── RecipeError              a recipe that cannot run; all of its faults in one message
├── MapError                 a definitions file that does not fit the tool; names file and line
├── FaultError               a fault, a script of faults or a condition that cannot be; names file and line
├── TraceError               a recorded trace or its column map that cannot be served; names file and line
├── ListenError              the address cannot be served: port in use, no such host, not allowed
├── AwayError                no simulator answers at a control socket
├── StoppedError             somebody waited for a state of a tool that has been stopped
└── RequestRefusedError      a request that the tool answers with a Modbus exception
"""

from typing import Final

ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
DEVICE_FAILURE: Final = 4
DEVICE_BUSY: Final = 6
"""Exception codes of the MODBUS Application Protocol Specification V1.1b3, section 7, that this tool gives."""


class SimulatorError(Exception):
    """Root of everything that the simulated tool raises on purpose."""


class OptionError(SimulatorError):
    """An option outside of what the tool can do."""


class RecipeError(SimulatorError):
    """A recipe that cannot run."""


class MapError(SimulatorError):
    """A definitions file that does not fit the tool."""


class FaultError(SimulatorError):
    """A fault that cannot be injected as it is asked for.

    Args:
        message: what is wrong.
        key: the word of the script or command that is wrong; empty where it is the whole.
    """

    def __init__(self, message: str, *, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class TraceError(SimulatorError):
    """A recorded trace, or the map of its columns, that cannot be served."""


class ListenError(SimulatorError):
    """The tool cannot be served at this address."""


class AwayError(SimulatorError):
    """No simulator answers at a control socket."""


class StoppedError(SimulatorError):
    """The tool was stopped before the awaited state came."""


class RequestRefusedError(SimulatorError):
    """The tool refuses a request with a Modbus exception.

    Args:
        exception_code: `ILLEGAL_ADDRESS`, `ILLEGAL_VALUE`, `DEVICE_FAILURE` or `DEVICE_BUSY`.
        reason: why, in words, for logs and tests; Modbus itself carries only the code.
    """

    def __init__(self, *, exception_code: int, reason: str) -> None:
        super().__init__(f"exception {exception_code}: {reason}")
        self.exception_code = exception_code
        self.reason = reason
