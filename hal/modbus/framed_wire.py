"""How a line of turns frames: by transaction, where a late answer is known by its number, or by silence alone."""

import asyncio
from collections.abc import Callable
from typing import Final

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from hal import mbap, rtu
from hal.modbus import request
from hal.modbus.channel import MismatchError, Question, Reply
from hal.modbus.own_wire import OwnWire
from hal.modbus.place import Framing, Place
from hal.modbus.turn_wire import TurnWire
from hal.modbus.wire import Wire
from hal.pdu import Answer, Expected

_HIGHEST_TRANSACTION: Final = 0xFFFF
_MOST_ABANDONED: Final = 64
_UNANSWERED: Final = "closed because an earlier request was not answered"
_SILENT_CHARACTERS: Final = 3.5
_ANSWERS_WITHOUT_ECHO: Final = 2
"""So many in a row, on a line that was in no doubt, show that there is none: one may be late, of a request before."""
_MOST_PROBES: Final = 5


class MbapWire(TurnWire):
    """Modbus TCP on a line that units may share: transactions tell answers apart.

    Args:
        place: where it leads.
        when_lost: called when no further request can be made.
        is_shared: whether several units are behind it. A device of its own gains by a new connection after a time-out;
            of several, one that is silent must not cost the others theirs, so its late answers are known and skipped.
    """

    def __init__(self, place: Place, when_lost: Callable[[Wire], None], *, is_shared: Callable[[], bool]) -> None:
        super().__init__(place, FramerSocket(DecodePDU(is_server=False)), when_lost)
        self._transaction = 0
        self._is_shared = is_shared
        self._abandoned: dict[int, Expected] = {}
        self._late = bytearray()

    def wrap(self, question: Question) -> tuple[bytes, Expected]:
        """Frame a request, and say what answers it."""
        # pymodbus's own way to number and frame costs some 40 microseconds of CPU a request more
        transaction = self._transaction = self._transaction % _HIGHEST_TRANSACTION + 1
        self._abandoned.pop(transaction, None)
        due = question.expected
        expected = Expected(
            transaction=transaction,
            unit=due.unit,
            function=due.function,
            data_bytes=due.data_bytes,
            echo=due.echo,
        )
        return mbap.frame(transaction, question.unit.unit, question.payload), expected

    def judge(self, received: bytearray, expected: Expected) -> Answer | None:
        """Take the answer out of what was received, behind late ones."""
        if self._late:
            received[:0] = self._late
            self._late.clear()
        if self._abandoned and not self._skip_late(received):
            return None
        return mbap.take_answer(received, expected)

    def after_failure(self, _question: Question, error: BaseException) -> None:
        """Close the connection, or know the late answer where the connection is shared."""
        expected = self._expected
        if self.lost.is_set() or expected is None:
            return
        if not self._is_shared() or isinstance(error, MismatchError):
            self.drop(_UNANSWERED)
            return
        self._abandoned[expected.transaction] = expected
        if len(self._abandoned) > _MOST_ABANDONED:
            del self._abandoned[next(iter(self._abandoned))]
        self._late += self._received  # it may be the beginning of the late answer

    def unasked(self, data: bytes) -> None:
        """Skip late answers; anything else ends the connection."""
        self._late += data
        if not self._skip_late(self._late):
            return
        if self._late:
            self.drop("the device sent what nobody asked for")

    def _skip_late(self, received: bytearray) -> bool:
        """Cut late answers off the front; False where more bytes must tell whether this is one."""
        while received:
            late = mbap.late_bytes(received, self._abandoned)
            if late is None:
                return False
            if late == 0:
                return True
            self._abandoned.pop(int.from_bytes(received[:2], "big"), None)
            del received[:late]
        return True


class RtuWire(TurnWire):
    """Modbus RTU, on a serial line or passed on by a gateway: nothing but silence tells answers apart.

    After a request without a good answer the line is kept quiet for the unit's turnaround, and as long as bytes still
    come; then it is flushed. The next answer of that unit is marked, and the line kept quiet once more behind it: a
    device that lags by one answer is then heard, and stays marked.

    Some adapters of RS-485 hear what they send. Where the place says so, each request is cut off the front of what
    comes back. Where it does not, nothing that an echo could pass for is asked before answers have shown that there is
    none: an unnoticed echo of a write would be taken for the unit's word that it was done. Two in a row must show it,
    since a late answer of an earlier request, even of an earlier connection, can come before the echo of this one. And
    where an echo was heard once, the connection carries nothing more.
    """

    def __init__(self, place: Place, when_lost: Callable[[Wire], None]) -> None:
        super().__init__(place, FramerRTU(DecodePDU(is_server=False)), when_lost)
        self._silence_s = place.silence_s
        self._echoes = place.echo
        self._without_echo = 0
        self._hears_itself = False
        self._frame = b""
        self._quiet_until_s = 0.0
        self._last: Question | None = None
        self._doubtful: set[int] = set()

    async def make_ready(self) -> None:
        """Wait until the line has been silent for long enough.

        Raises:
            MismatchError: it does not fall silent.
        """
        if self._quiet_until_s <= self.loop.time():
            return
        longest_s = 0.0 if self._last is None else self._last.unit.request_timeout_s + self._last.unit.turnaround_s
        give_up_s = max(self._quiet_until_s, self.loop.time() + longest_s)
        while (wait_s := self._quiet_until_s - self.loop.time()) > 0 and not self.lost.is_set():
            if self.loop.time() > give_up_s:
                self.drop("closed because the line does not fall silent")
                raise MismatchError("the line does not fall silent: somebody sends what nobody asked for")
            await asyncio.sleep(wait_s)

    def wrap(self, question: Question) -> tuple[bytes, Expected]:
        """Frame a request, and say what answers it."""
        self._last = question
        self._frame = self._framed(question)
        return self._frame, question.expected

    async def ask(self, question: Question) -> Reply:
        """Send a request and wait for what answers it; before the first one that an echo could answer, small reads."""
        if self._hears_itself:
            raise MismatchError(self._echo_words(question))
        if not (self._is_judged or self.is_broadcast(question)) and rtu.passes_for_answer(
            self._framed(question), question.expected
        ):
            await self._probe(question)
        return await super().ask(question)

    @property
    def _is_judged(self) -> bool:
        """Whether it is known if there is an echo."""
        return self._echoes or self._without_echo >= _ANSWERS_WITHOUT_ECHO

    async def _probe(self, question: Question) -> None:
        """Read until it is known that there is no echo."""
        for _ in range(_MOST_PROBES):
            await super().ask(request.echo_probe(question))
            if self._is_judged:
                return
        raise MismatchError("the line is too busy to tell whether its adapter echoes, so it was not sent")

    def judge(self, received: bytearray, expected: Expected) -> Answer | None:
        """Take the answer out of what was received, behind the echo where there is one."""
        if self._echoes or not self._is_judged:
            is_echo = rtu.begins_echo(received, self._frame)
            if is_echo and len(received) < len(self._frame):
                return None
            if is_echo != self._echoes:
                self._hears_itself = is_echo
                raise ValueError(self._echo_words(self._last))
        if self._echoes:
            return rtu.take_answer(received[len(self._frame) :], expected)
        return rtu.take_answer(received, expected)

    def _framed(self, question: Question) -> bytes:
        return self.framer.encode(question.payload, question.unit.unit, 0)

    def _echo_words(self, question: Question | None) -> str:
        field = "echo" if question is None else f"devices.{question.unit.device}.echo"
        if self._echoes:
            return f"what came back is not what was sent: two talk at once, or there is no echo: set {field} = false"
        return f"the adapter echoes what is sent: set {field} = true"

    def after_failure(self, question: Question, _error: BaseException) -> None:
        """Ask for quiet."""
        self._doubtful.add(question.unit.unit)
        self._keep_quiet(question.unit.turnaround_s)

    def after_answer(self, question: Question) -> bool:
        """Note an answer; whether the line was flushed before it."""
        is_doubtful = question.unit.unit in self._doubtful
        self._doubtful.discard(question.unit.unit)
        if not self._is_judged:
            self._without_echo = 0 if is_doubtful else self._without_echo + 1
        self._keep_quiet(question.unit.turnaround_s if is_doubtful else 0.0)
        return is_doubtful

    def is_broadcast(self, question: Question) -> bool:
        """Unit 0 is everybody, and nobody answers."""
        return question.unit.unit == 0

    def after_broadcast(self, question: Question, length: int) -> None:
        """Let the frame go out, and everybody act on it."""
        self._keep_quiet(length * self._silence_s / _SILENT_CHARACTERS + question.unit.turnaround_s)

    def unasked(self, _data: bytes) -> None:
        """Throw away what nobody asked for; whoever was asked last may lag by an answer."""
        if self._last is not None:
            self._doubtful.add(self._last.unit.unit)
            self._keep_quiet(self._last.unit.turnaround_s)

    def _keep_quiet(self, pause_s: float) -> None:
        until_s = self.loop.time() + max(pause_s, self._silence_s)
        self._quiet_until_s = max(self._quiet_until_s, until_s)


def make_wire(
    place: Place, when_lost: Callable[[Wire], None], *, in_flight: int | None, is_shared: Callable[[], bool]
) -> Wire:
    """Make the wire that a place needs; it is not open yet.

    Args:
        place: where it leads.
        when_lost: called when no further request can be made.
        in_flight: requests that may be outstanding where one unit has the place to itself; else None.
        is_shared: whether several units are behind it.
    """
    if place.framing is Framing.RTU:
        return RtuWire(place, when_lost)
    if in_flight is not None:
        return OwnWire(place, when_lost, in_flight=in_flight)
    return MbapWire(place, when_lost, is_shared=is_shared)
