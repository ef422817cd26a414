"""What can go wrong with the embedded PostgreSQL. Each message is one line: what, where, what to do.

EmbeddedError            an OutsideError of recorder.errors: exit status 3
├── BinariesError         no PostgreSQL programs, or none that the server's user can run
├── DataDirectoryError    the data directory cannot be used as it is
├── ServerRunningError    a server or a starter holds the data directory
└── ServerFailedError     initdb or the server ended, or did not get ready in time; its last log lines follow
"""

from recorder.errors import OutsideError


class EmbeddedError(OutsideError):
    """Root of everything that the embedded PostgreSQL raises on purpose."""


class BinariesError(EmbeddedError):
    """There are no PostgreSQL programs that can be run."""


class DataDirectoryError(EmbeddedError):
    """The data directory cannot be used as it is."""


class ServerRunningError(EmbeddedError):
    """Another process holds the data directory.

    Args:
        pid: the server's process, or its starter's where there is no server yet; None where it is not known.
    """

    def __init__(self, message: str, *, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class ServerFailedError(EmbeddedError):
    """Initdb or the server failed.

    Args:
        log_lines: the last lines that it wrote.
    """

    def __init__(self, message: str, *, log_lines: list[str]) -> None:
        super().__init__(": ".join([message, *log_lines[-1:]]))
        self.log_lines = log_lines
