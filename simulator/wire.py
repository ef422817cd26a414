"""What lies between a tool's memory and its connections: units, faults of the communication, the log of answers.

One `Wire` serves a tool over any number of transports at once; `simulator.server` and `simulator.serial_line` carry its
bytes. It knows no socket.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from hal.parameter import RegisterKind
from simulator import pdu
from simulator.fault import Fault, FaultName
from simulator.memory import Unit
from simulator.response_log import ResponseLog

GATEWAY_NO_RESPONSE: Final = 11
_WORD_BYTES: Final = 2
_READ_HEAD: Final = 2
_REGISTER_FUNCTIONS: Final = {3: RegisterKind.HOLDING_REGISTER, 4: RegisterKind.INPUT_REGISTER}
_REFUSING: Final = frozenset({FaultName.REFUSED, FaultName.PLC_RESTART})
_DELAYS: Final = frozenset({FaultName.SLOW, FaultName.LATE})


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What is to be sent for one request.

    Attributes:
        answer: from its function code on; empty where nothing is sent.
        closes: the connection is closed, after the answer where there is one.
        is_cut: only the first half of the frame is sent.
        is_garbled: every byte of the frame is another.
        is_altered: whether a fault had any part in it.
    """

    transaction: int
    unit: int
    answer: bytes
    closes: bool = False
    is_cut: bool = False
    is_garbled: bool = False
    is_altered: bool = False


class Conversation(Protocol):
    """A connection, as the wire needs it."""

    def abort(self) -> None:
        """Close the connection now, without sending what waits."""
        ...


def _zero() -> int:
    return 0


def _ignore(_fault: Fault) -> None:
    """Stand in where nobody counts hits."""


class Wire:
    """Answers requests for the units of one tool.

    Args:
        units: by their number.
        step: says the number of the register image in force, for the log.
        log: of every answer that is sent.
        on_hit: told of each answer that a fault hit.

    Attributes:
        conversations: every open connection.
        on_refusing: called when connections begin or cease to be refused.
    """

    def __init__(
        self,
        units: Mapping[int, Unit],
        *,
        step: Callable[[], int] = _zero,
        log: ResponseLog | None = None,
        on_hit: Callable[[Fault], None] = _ignore,
    ) -> None:
        self.units = dict(units)
        self.log = log
        self.step = step
        self.conversations: set[Conversation] = set()
        self.on_refusing: list[Callable[[], None]] = []
        self._on_hit = on_hit
        self._faults: tuple[Fault, ...] = ()
        self._free_at_s = dict.fromkeys(units, 0.0)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults of the communication that are in force."""
        return self._faults

    @property
    def is_refusing(self) -> bool:
        """Whether connections are refused."""
        return any(fault.name in _REFUSING for fault in self._faults)

    @property
    def is_plain(self) -> bool:
        """Whether every request is answered at once, whole and right."""
        return not self._faults

    def set_faults(self, faults: Iterable[Fault]) -> None:
        """Put faults in force, in place of those before."""
        was_refusing = self.is_refusing
        self._faults = tuple(faults)
        if self.is_refusing != was_refusing:
            if self.is_refusing:
                self.drop_connections()
            for told in self.on_refusing:
                told()

    def drop_connections(self) -> None:
        """Close every connection now."""
        for conversation in tuple(self.conversations):
            conversation.abort()

    def delay(self, unit: int, request: bytes, now_s: float) -> tuple[float, bool]:
        """How long to wait with a request before it is answered; to be asked once a request, in order.

        Args:
            unit: asked by the request.
            request: from its function code on.
            now_s: monotonic seconds.

        Returns:
            Seconds, and whether a fault has a part in them.
        """
        device = self.units.get(unit)
        wait_s = 0.0
        if device is not None and device.answer_delay_s:
            # One device answers one request at a time; others behind the same port do not wait for it.
            self._free_at_s[unit] = max(now_s, self._free_at_s[unit]) + device.answer_delay_s
            wait_s = self._free_at_s[unit] - now_s
        late_s = sum(fault.seconds for fault in self._hits(_DELAYS, unit, request))
        return wait_s + late_s, late_s > 0

    def respond(self, transaction: int, unit: int, request: bytes, *, is_late: bool = False) -> Delivery:
        """Answer a request as the faults in force have it.

        Args:
            transaction: id of the request.
            unit: asked by it.
            request: from its function code on.
            is_late: whether a fault has delayed it.
        """
        hit = {fault.name: fault for fault in self._hits(None, unit, request)}
        if FaultName.HALF_OPEN in hit:
            return Delivery(transaction=transaction, unit=unit, answer=b"", is_altered=True)
        if FaultName.DROPPED in hit:
            return Delivery(transaction=transaction, unit=unit, answer=b"", closes=True, is_altered=True)
        if FaultName.EXCEPTION in hit:
            answer = pdu.refusal(request[0], hit[FaultName.EXCEPTION].code)
        else:
            answer = self.answer(unit, request)
        if FaultName.WORD_SWAP in hit:
            answer = self._swapped(unit, request, answer)
        if FaultName.SHORT in hit:
            answer = _shortened(answer)
        return Delivery(
            transaction=(transaction + 1) % 0x10000 if FaultName.WRONG_TRANSACTION in hit else transaction,
            unit=(unit + 1) % 0x100 if FaultName.WRONG_UNIT in hit else unit,
            answer=answer,
            closes=FaultName.CUT in hit,
            is_cut=FaultName.CUT in hit,
            is_garbled=FaultName.GARBLED in hit,
            is_altered=is_late or bool(hit),
        )

    def answer(self, unit: int, request: bytes) -> bytes:
        """Answer a request truly; a unit that is not there is answered for by the gateway."""
        device = self.units.get(unit)
        return pdu.refusal(request[0], GATEWAY_NO_RESPONSE) if device is None else pdu.answer(device, request)

    def _hits(self, names: frozenset[FaultName] | None, unit: int, request: bytes) -> list[Fault]:
        """The faults that hit a request: of these names, or all that do not merely delay; delays hit twice."""
        if not self._faults:
            return []
        span = pdu.span(request)
        addresses = None if span is None else (span[1], span[1] + span[2] - 1)
        hits = []
        for fault in self._faults:
            is_wanted = fault.name in names if names is not None else True
            if is_wanted and fault.hits(unit, addresses):
                hits.append(fault)
                if (fault.name in _DELAYS) == (names is not None):
                    self._on_hit(fault)
        return hits

    def _swapped(self, unit: int, request: bytes, answer: bytes) -> bytes:
        """Exchange the words of every 32-bit value that is whole in an answer."""
        device, kind, span = self.units.get(unit), _REGISTER_FUNCTIONS.get(answer[0]), pdu.span(request)
        if device is None or kind is None or span is None:
            return answer
        swapped = bytearray(answer)
        _, first, count = span
        for address in device.double_words.get(kind, ()):
            if first <= address < first + count - 1:
                at = _READ_HEAD + _WORD_BYTES * (address - first)
                swapped[at : at + 4] = swapped[at + 2 : at + 4] + swapped[at : at + 2]
        return bytes(swapped)


def _shortened(answer: bytes) -> bytes:
    """Take the last value off the answer to a read, consistently; any other answer loses its last byte."""
    if answer[0] in _REGISTER_FUNCTIONS:
        return bytes((answer[0], answer[1] - _WORD_BYTES)) + answer[2:-_WORD_BYTES]
    if answer[0] <= 4:  # noqa: PLR2004  (functions 1 and 2: bits, eight a byte)
        return bytes((answer[0], answer[1] - 1)) + answer[2:-1]
    return answer[:-1]
