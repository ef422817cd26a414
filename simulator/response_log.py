"""What the simulator truly sent: the record that a database is compared with.

A binary file, since the log must not halve the rate of answers: `MAGIC`, then for each answer a fixed head and the
bytes of request and answer. `read_responses` understands it.
"""

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hal.parameter import RegisterKind
from simulator import pdu
from simulator.errors import OptionError

MAGIC: Final = b"ALDRESP1"
_HEAD: Final = struct.Struct("<qqqHBBHH")
_FLUSH_NS: Final = 1_000_000_000
_BUFFER_BYTES: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """One answer that was sent.

    Attributes:
        monotonic_ns: when it was handed to the system.
        utc_us: the same moment by the wall clock, UTC microseconds.
        step: number of the register image that it was made from.
        transaction: id that was sent; 0 on a serial line.
        unit: number that was sent.
        is_altered: whether a fault changed, delayed or made it.
        request: from its function code on.
        answer: as it was sent, from its function code on.
    """

    monotonic_ns: int
    utc_us: int
    step: int
    transaction: int
    unit: int
    is_altered: bool
    request: bytes
    answer: bytes

    @property
    def function(self) -> int:
        """Function code of the request."""
        return self.request[0]

    @property
    def span(self) -> tuple[RegisterKind, int, int] | None:
        """Kind, first address and count that were asked for."""
        return pdu.span(self.request)

    @property
    def words(self) -> tuple[int, ...]:
        """The registers of an answer to function 3 or 4; empty for any other answer."""
        if self.answer[:1] not in {b"\x03", b"\x04"}:
            return ()
        data = self.answer[2:]
        return struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])


class ResponseLog:
    """Writes the log; a context manager. What was logged is on file a second later, or at the end of the block.

    Args:
        path: written anew.

    Raises:
        OptionError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("wb", buffering=_BUFFER_BYTES)
            self._file.write(MAGIC)
        except OSError as fault:
            raise OptionError(f"{path}: cannot be written: {fault.strerror or fault}") from fault
        self._flushed_ns = 0
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def record(
        self, *, step: int, transaction: int, unit: int, request: bytes, answer: bytes, is_altered: bool = False
    ) -> None:
        """Log an answer that has just been sent."""
        now_ns = time.monotonic_ns()
        utc_us = time.time_ns() // 1000
        head = _HEAD.pack(now_ns, utc_us, step, transaction, unit, is_altered, len(request), len(answer))
        self._file.write(head + request + answer)
        self.count += 1
        if now_ns - self._flushed_ns > _FLUSH_NS:
            self._flushed_ns = now_ns
            self._file.flush()

    def flush(self) -> None:
        """Hand everything to the system."""
        self._file.flush()


def read_responses(path: Path) -> Iterator[Response]:
    """Read a log, in the order in which the answers were sent; an incomplete last record is left out.

    Raises:
        OptionError: it is no such file.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise OptionError(f"{path}: not a log of responses")
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            monotonic_ns, utc_us, step, transaction, unit, is_altered, asked, answered = _HEAD.unpack(head)
            body = file.read(asked + answered)
            if len(body) < asked + answered:
                return
            yield Response(
                monotonic_ns=monotonic_ns,
                utc_us=utc_us,
                step=step,
                transaction=transaction,
                unit=unit,
                is_altered=bool(is_altered),
                request=body[:asked],
                answer=body[asked:],
            )
