"""A wire with one request at a time on it, as a line needs that several units share, or that silence alone frames."""

import time
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from pymodbus.framer import FramerBase

from hal.modbus.channel import MismatchError, Question, Reply
from hal.modbus.place import Place
from hal.modbus.wire import Wire
from hal.pdu import Answer, Expected

if TYPE_CHECKING:
    from asyncio import Future


class TurnWire(Wire):
    """An open connection; whoever asks sees to it that nobody else does at the same time."""

    def __init__(self, place: Place, framer: FramerBase, when_lost: Callable[[Wire], None]) -> None:
        super().__init__(place, framer, when_lost)
        self._received = bytearray()
        self._expected: Expected | None = None
        self._pending: Future[Answer] | None = None

    async def ask(self, question: Question) -> Reply:
        """Send a request and wait for what answers it."""
        await self.make_ready()
        if self.lost.is_set():
            raise ConnectionError(self.lost_reason)
        frame, self._expected = self.wrap(question)
        self._received.clear()
        requested_ns = time.monotonic_ns()
        if self.is_broadcast(question):
            self.put(frame)
            self.after_broadcast(question, len(frame))
            return Reply(answer=Answer(), requested_ns=requested_ns, responded_ns=time.monotonic_ns())
        self._pending = self.loop.create_future()
        timer = self.loop.call_later(question.unit.request_timeout_s, self._fail, TimeoutError())
        try:
            self.put(frame)
            answer = await self._pending
        except BaseException as error:  # also a cancellation: its answer may still come, and must fit no other request
            self.after_failure(question, error)
            raise
        finally:
            timer.cancel()
            self._pending = None
        return Reply(
            answer=answer,
            requested_ns=requested_ns,
            responded_ns=self.answered_ns,
            is_after_flush=self.after_answer(question),
        )

    async def make_ready(self) -> None:
        """Wait until a request may be sent."""

    @abstractmethod
    def wrap(self, question: Question) -> tuple[bytes, Expected]:
        """Frame a request, and say what answers it."""

    @abstractmethod
    def judge(self, received: bytearray, expected: Expected) -> Answer | None:
        """Take the answer out of what was received; None where more is due, ValueError where it cannot be one."""

    @abstractmethod
    def after_failure(self, question: Question, error: BaseException) -> None:
        """See to it that a late answer is taken for no other."""

    def after_answer(self, _question: Question) -> bool:
        """Note an answer; whether the line was flushed before it."""
        return False

    def after_broadcast(self, question: Question, length: int) -> None:
        """Give everybody the time to act."""

    @abstractmethod
    def unasked(self, data: bytes) -> None:
        """Take bytes while no request is under way."""

    def data_received(self, data: bytes) -> None:
        """Judge what came; called by the event loop."""
        if self._pending is None or self._expected is None or self._pending.done():
            self.unasked(data)
            return
        responded_ns = time.monotonic_ns()
        self._received += data
        try:
            answer = self.judge(self._received, self._expected)
        except ValueError as error:
            self._fail(MismatchError(str(error)))
            return
        if answer is not None:
            self.answered_ns = responded_ns
            self._pending.set_result(answer)

    def fail(self, error: ConnectionError) -> None:
        """Let whoever waits for an answer know that none will come."""
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(error)
