"""Modbus TCP on a connection that one unit has to itself: the next request goes out as soon as one is answered.

A request that waits is framed before it may go. It is sent by the very call that brings the answer before it, not by
the task that asked for that one, which has to wake up and decode first. And where the device takes several requests at
a time (NumberMaxOfServerTransaction of the MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 1 to 16), as many
are outstanding.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU

from hal import mbap
from hal.modbus.channel import MismatchError, Question, Reply, TakenAlongError
from hal.modbus.place import Place
from hal.modbus.wire import Wire
from hal.pdu import Answer, Expected

_HIGHEST_TRANSACTION: Final = 0xFFFF
_UNANSWERED: Final = "closed because an earlier request was not answered"


class _Asked:
    """A request on its way: framed, then sent, then answered; no dataclass, since one is made for each request."""

    __slots__ = (
        "delay_s",
        "expected",
        "frame",
        "head",
        "reply",
        "requested_ns",
        "responded_ns",
        "sent_ns",
        "timeout_s",
        "whole",
    )

    def __init__(self, question: Question, transaction: int, reply: "asyncio.Future[Reply]") -> None:
        due = question.expected
        self.frame = mbap.frame(transaction, question.unit.unit, question.payload)
        self.expected = Expected(
            transaction=transaction,
            unit=due.unit,
            function=due.function,
            data_bytes=due.data_bytes,
            echo=due.echo,
        )
        self.head = mbap.read_head(self.expected)
        self.whole = len(self.head) + due.data_bytes
        self.timeout_s = question.unit.request_timeout_s
        self.delay_s = question.unit.inter_request_delay_s
        self.reply = reply
        self.sent_ns = self.requested_ns = self.responded_ns = 0

    def is_answered_by(self, data: bytes) -> bool:
        """Whether this is its answer, and all of it, and not a refusal; of a read."""
        return len(data) == self.whole and self.head != b"" and data.startswith(self.head)

    def reply_with(self, answer: Answer) -> None:
        """Hand its answer out."""
        if not self.reply.done():  # its task may be cancelled, and not know yet
            reply = Reply(answer=answer, requested_ns=self.requested_ns, responded_ns=self.responded_ns)
            self.reply.set_result(reply)

    def fail(self, error: Exception) -> None:
        """Say that none will come."""
        if not self.reply.done():
            self.reply.set_exception(error)


class OwnWire(Wire):
    """A connection of one unit.

    Answers may come in any order; each is judged as the answer to its own transaction. Whatever is not right with one
    ends the connection, and with it every other request on it.

    The deadline runs for the request that waits the longest, from its sending or from the answer that made it the first
    in the row: behind others in the device it could not be answered sooner.

    Args:
        place: where it leads.
        when_lost: called when no further request can be made.
        in_flight: requests that may be outstanding.
    """

    def __init__(self, place: Place, when_lost: Callable[[Wire], None], *, in_flight: int) -> None:
        super().__init__(place, FramerSocket(DecodePDU(is_server=False)), when_lost)
        self.in_flight = in_flight
        self._transaction = 0
        self._waiting: deque[_Asked] = deque()
        self._outstanding: dict[int, _Asked] = {}
        self._received = b""
        self._deadline_s = 0.0
        self._deadline_timer: asyncio.TimerHandle | None = None
        self._not_before_s = 0.0
        self._pause_timer: asyncio.TimerHandle | None = None

    async def ask(self, question: Question) -> Reply:
        """Send a request as soon as it may go, and wait for what answers it."""
        if self.lost.is_set():
            raise TakenAlongError(self.lost_reason, was_sent=False)
        self._transaction = self._transaction % _HIGHEST_TRANSACTION + 1
        asked = _Asked(question, self._transaction, self.loop.create_future())
        self._waiting.append(asked)
        self._send()
        try:
            return await asked.reply
        except asyncio.CancelledError:
            if self._outstanding.get(asked.expected.transaction) is asked:  # its answer may still come
                self._end(asked, None)
            elif asked in self._waiting:
                self._waiting.remove(asked)
            raise

    def data_received(self, data: bytes) -> None:
        """Judge what came; called by the event loop."""
        now_ns = time.monotonic_ns()
        oldest = next(iter(self._outstanding.values()), None)
        if oldest is None:
            self.drop("the device sent what nobody asked for")
        elif not self._received and oldest.is_answered_by(data):
            # nearly always; whatever is not right with an answer is found below
            self._take((oldest,), oldest, now_ns)
            oldest.reply_with(Answer(data=data[len(oldest.head) :]))
        else:
            self._judge(self._received + data, oldest, now_ns)

    def _judge(self, received: bytes, oldest: _Asked, now_ns: int) -> None:
        """Take all answers that are whole; what is wrong in a piece that came makes no part of it right."""
        answered: dict[_Asked, Answer] = {}
        asked = oldest
        try:
            while received:
                came = mbap.first_answer(received)
                if came.transaction is None and len(answered) < len(self._outstanding):
                    break
                asked = self._outstanding.get(came.transaction or 0, oldest)
                mbap.check_room(len(received), is_answered=asked in answered)
                answer = mbap.take_answer(came.frame, asked.expected)
                if answer is None:
                    break
                answered[asked] = answer
                received = received[len(came.frame) :]
        except ValueError as error:
            self._end(asked, MismatchError(str(error)))
            return
        self._received = received
        if answered:
            self._take(answered, oldest, now_ns)
            for asked, answer in answered.items():
                asked.reply_with(answer)

    def fail(self, error: ConnectionError) -> None:
        """Let everybody who waits know that the connection has ended by itself."""
        for asked in self._outstanding.values():
            asked.fail(error)
        self._clear(str(error))

    def _take(self, answered: Iterable[_Asked], oldest: _Asked, now_ns: int) -> None:
        """Note when these were answered, and send what waited for it: that first, since the device is idle."""
        for asked in answered:
            del self._outstanding[asked.expected.transaction]
            # behind another request in the device, it was not served before that one's answer
            asked.requested_ns = max(asked.sent_ns, self.answered_ns)
            asked.responded_ns = now_ns
        if oldest.delay_s > 0:
            self._not_before_s = self.loop.time() + oldest.delay_s
        self.answered_ns = now_ns
        self._send()
        first = next(iter(self._outstanding.values()), oldest)
        if first is not oldest:
            self._start_deadline(first)

    def _send(self) -> None:
        """Send what waits, as far as it may go."""
        while self._waiting and len(self._outstanding) < self.in_flight:
            if self._not_before_s > 0 and (pause_s := self._not_before_s - self.loop.time()) > 0:
                if self._pause_timer is None:
                    self._pause_timer = self.loop.call_later(pause_s, self._after_pause)
                return
            asked = self._waiting.popleft()
            asked.sent_ns = time.monotonic_ns()
            self.put(asked.frame)
            if not self._outstanding:
                self._start_deadline(asked)
            self._outstanding[asked.expected.transaction] = asked

    def _after_pause(self) -> None:
        self._pause_timer = None
        self._send()

    def _start_deadline(self, asked: _Asked) -> None:
        """Give the request that waits the longest its time; a timer that is set already looks again when it is due."""
        self._deadline_s = self.loop.time() + asked.timeout_s
        if self._deadline_timer is None:
            self._deadline_timer = self.loop.call_later(asked.timeout_s, self._look_at_deadline)

    def _look_at_deadline(self) -> None:
        self._deadline_timer = None
        oldest = next(iter(self._outstanding.values()), None)
        if oldest is None:
            return
        left_s = self._deadline_s - self.loop.time()
        if left_s > 0:
            self._deadline_timer = self.loop.call_later(left_s, self._look_at_deadline)
            return
        words = ""
        if self.in_flight > 1 and self.answered_ns > oldest.sent_ns:
            words = (
                f"while others were answered, with up to {self.in_flight} in flight: "
                "where the device takes fewer at a time, lower requests_in_flight"
            )
        self._end(oldest, TimeoutError(words))

    def _end(self, asked: _Asked, error: Exception | None) -> None:
        """End the connection because of one request, which has this error or was given up."""
        if error is not None:
            asked.fail(error)
        for other in self._outstanding.values():
            other.fail(TakenAlongError(_UNANSWERED, was_sent=True))
        self._clear(_UNANSWERED)
        self.drop(_UNANSWERED)

    def _clear(self, reason: str) -> None:
        for asked in self._waiting:
            asked.fail(TakenAlongError(reason, was_sent=False))
        self._waiting.clear()
        self._outstanding.clear()
        self._received = b""
        for timer in (self._deadline_timer, self._pause_timer):
            if timer is not None:
                timer.cancel()
        self._deadline_timer = self._pause_timer = None
