"""Standard output that carries what a command prints whole, or says that it did not.

With PYTHONUNBUFFERED, as many containers set it, Python's own drops what the system did not take at once: a signal that
meets a write into a full pipe left 65,536 bytes of a JSON document, a line end, and exit status 0. A pipe that somebody
else made non-blocking lost it the same way.
"""

import io
import os
import select
import sys
from typing import TYPE_CHECKING, Final

from recorder.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_KEPT_BYTES: Final = io.DEFAULT_BUFFER_SIZE


class WholeOutput(io.RawIOBase):
    """A file descriptor to which all of what is written goes, however slow its reader.

    Args:
        descriptor: stays open when this is closed.
        name: what errors call it.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._name = name

    def fileno(self) -> int:
        """The file descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a person sees it."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """It is for writing alone."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of it, waiting for the reader as long as it takes.

        Raises:
            BrokenPipeError: the reader has gone.
            OutputError: it cannot be written, a disk that is full for one.
        """
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                select.select((), (self._descriptor,), ())
            except BrokenPipeError:
                raise
            except OSError as error:
                raise OutputError(f"{self._name}: {error.strerror}; what was printed is not whole") from error
        return size


def make_output_whole() -> None:
    """Put such an output in the place of Python's own; one that a test put there stays."""
    ours = sys.stdout
    if ours is not sys.__stdout__ or not isinstance(ours, io.TextIOWrapper):
        return
    ours.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(WholeOutput(ours.fileno(), "standard output"), _KEPT_BYTES),
        encoding=ours.encoding,
        errors=ours.errors,
        line_buffering=ours.line_buffering or ours.write_through,
    )


def leave_output() -> None:
    """Let what is still to be written go nowhere: the error that keeps it from its reader is told elsewhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
