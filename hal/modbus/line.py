"""A line that several units share: one connection, one request at a time, fair turns.

What one unit does must cost the others little. Each has a turn in its turn, however much it asks. One that is silent
is left in peace after three requests; whether it is back is then asked by its last read again, for a tenth of the
line's time at most.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from hal.errors import DefinitionError, NotConnectedError
from hal.link import Connect
from hal.modbus.channel import MismatchError, Question, Reply, TakenAlongError
from hal.modbus.link import ModbusLink
from hal.modbus.opening import open_wire
from hal.modbus.own_wire import OwnWire
from hal.modbus.place import Place, UnitSettings
from hal.modbus.wire import Wire

MOST_FAILURES: Final = 3
"""Requests in a row without an answer, after which a unit counts as silent."""
PROBE_PAUSE: Final = 9
"""A silent unit is left in peace so many times as long as it held the line up: so it takes a tenth of its time."""


class Line:
    """A place and the units on it. Its connection is open while any of them is connected.

    Args:
        place: where it is.
        in_flight: requests that may be outstanding, where one unit has a place of Modbus TCP to itself; None where
            units may share it, or silence frames: one at a time, in turns.
    """

    def __init__(self, place: Place, *, in_flight: int | None = None) -> None:
        self.place = place
        self.in_flight = in_flight
        self.turn = asyncio.Lock()
        self.members: list[Member] = []
        self._seats: set[Seat] = set()
        self._silent: list[Member] = []
        self._opening = asyncio.Lock()
        self._wire: Wire | None = None
        self._attempts = 0
        self._failure: NotConnectedError | None = None

    def join(self, unit: UnitSettings) -> Connect:
        """Make what the `hal.device.Device` of one unit needs to connect again and again."""
        member = self.add(unit)

        async def connect() -> ModbusLink:
            return ModbusLink(unit, await member.connect())

        return connect

    def add(self, unit: UnitSettings) -> "Member":
        """Know one more unit."""
        member = Member(self, unit)
        self.members.append(member)
        return member

    async def sit(self, member: "Member") -> "Seat":
        """Give a unit a seat on the connection, which is opened where it is not.

        Raises:
            NotConnectedError: it did not open.
        """
        attempts = self._attempts
        async with self._opening:
            if self._wire is None or self._wire.lost.is_set():
                if self._failure is not None and self._attempts != attempts:  # it was tried while this one waited
                    failed = self._failure
                    raise NotConnectedError(
                        operation=failed.operation, device=member.unit.device, reason=failed.reason
                    ) from failed
                await self._open(member.unit.device)
            assert self._wire is not None
            wire = self._wire
            seat = OwnSeat(self, member, wire) if isinstance(wire, OwnWire) else Seat(self, member, wire)
            self._seats.add(seat)
            return seat

    async def _open(self, device: str) -> None:
        self._silent.clear()
        try:
            self._wire = await open_wire(
                self.place, device, self._lost, in_flight=self.in_flight, is_shared=self.is_shared
            )
        except NotConnectedError as error:
            self._failure = error
            raise
        else:
            self._failure = None
        finally:
            self._attempts += 1

    async def leave(self, seat: "Seat") -> None:
        """Take a seat back; the last one of a connection closes it."""
        self._seats.discard(seat)
        if not any(other.wire is seat.wire for other in self._seats):
            seat.wire.drop()
            await seat.wire.gone.wait()

    def is_shared(self) -> bool:
        """Whether there are several units on it."""
        return len(self.members) > 1

    def answered(self) -> None:
        """Note that the connection works."""
        self._silent.clear()

    def failed(self, member: "Member", wire: Wire) -> None:
        """Note a request without an answer; where nobody answers at all, the connection itself may be dead."""
        self._silent.append(member)
        seated = {seat.member for seat in self._seats if seat.wire is wire}
        if len(self._silent) >= MOST_FAILURES and seated <= set(self._silent):
            wire.drop("closed because nobody answers")

    def _lost(self, wire: Wire) -> None:
        for seat in [seat for seat in self._seats if seat.wire is wire]:
            seat.end(wire.lost_reason)


class Member:
    """A unit on a line, connected or not: what it did so far decides how it is asked."""

    def __init__(self, line: Line, unit: UnitSettings) -> None:
        self.unit = unit
        self.turn = asyncio.Lock()
        self.failures = 0
        self.not_before_s = 0.0
        self._line = line
        self._probe: Question | None = None

    @property
    def is_silent(self) -> bool:
        """Whether it gave no answer too often in a row."""
        return self.failures >= MOST_FAILURES

    async def connect(self, when_lost: Callable[["Seat"], None] | None = None) -> "Seat":
        """Open a channel to the unit; to a silent one only where it answers again.

        Raises:
            NotConnectedError: the line did not open, or the unit is still silent.
        """
        if self.is_silent and self._line.is_shared():
            await asyncio.sleep(self.not_before_s - asyncio.get_running_loop().time())
        seat = await self._line.sit(self)
        seat.when_lost = when_lost
        if self.is_silent and self._probe is not None:
            try:
                await seat.ask(self._probe)
            except (TimeoutError, ConnectionError, MismatchError) as error:
                await seat.close()
                words = "it does not answer" if isinstance(error, TimeoutError) else str(error)
                operation = f"ask unit {self.unit.unit} on {self._line.place}"
                raise NotConnectedError(operation=operation, device=self.unit.device, reason=words) from error
            except BaseException:
                await seat.close()
                raise
        return seat

    def answered(self, question: Question) -> None:
        """Note an answer."""
        self.failures = 0
        self._note(question)
        self._line.answered()

    def failed(self, question: Question, wire: Wire, held_s: float) -> None:
        """Note a request without an answer."""
        self.failures += 1
        self.not_before_s = asyncio.get_running_loop().time() + PROBE_PAUSE * held_s
        self._note(question)
        self._line.failed(self, wire)

    def _note(self, question: Question) -> None:
        if question.is_read:
            self._probe = question


class Seat:
    """An open channel to one unit over the connection of its line."""

    def __init__(self, line: Line, member: Member, wire: Wire) -> None:
        self.lost = asyncio.Event()
        self.has_answered = False
        self.member = member
        self.wire = wire
        self.when_lost: Callable[[Seat], None] | None = None
        self._line = line
        self.reason = ""
        self._ask_after_s = 0.0

    @property
    def parallel(self) -> int:
        """One at a time."""
        return 1

    async def ask(self, question: Question) -> Reply:
        """Ask once, when it is this unit's turn."""
        if question.is_read and self.wire.is_broadcast(question):
            raise DefinitionError(f"{question.unit.device}: {question.operation}: nobody answers for unit 0, everybody")
        async with self.member.turn:
            pause_s = self._ask_after_s - asyncio.get_running_loop().time()
            if pause_s > 0:
                with suppress(TimeoutError):
                    # not wait_for: before Python 3.12 it loses a cancellation that comes with what it waits for
                    async with asyncio.timeout(pause_s):
                        await self.lost.wait()
            async with self._line.turn:
                try:
                    return await self._ask(question)
                finally:
                    self._ask_after_s = asyncio.get_running_loop().time() + question.unit.inter_request_delay_s

    async def _ask(self, question: Question) -> Reply:
        if self.lost.is_set():
            raise TakenAlongError(self.reason, was_sent=False)
        started_s = asyncio.get_running_loop().time()
        try:
            reply = await self.wire.ask(question)
        except (TimeoutError, MismatchError):
            self.member.failed(question, self.wire, asyncio.get_running_loop().time() - started_s)
            if self.member.is_silent:
                self.end("closed because the unit does not answer")
            raise
        self.has_answered = True
        self.member.answered(question)
        return reply

    async def close(self) -> None:
        """Give the seat back; harmless when it is lost already."""
        self.end("the connection is closed")
        await self._line.leave(self)

    def end(self, reason: str) -> None:
        """Carry no further request; the connection may go on for others."""
        if not self.lost.is_set():
            self.reason = reason
            self.lost.set()
            if self.when_lost is not None:
                self.when_lost(self)


class OwnSeat(Seat):
    """An open channel to a unit that has its line to itself: the wire sees to the turns, and to the pauses."""

    def __init__(self, line: Line, member: Member, wire: OwnWire) -> None:
        super().__init__(line, member, wire)
        self._in_flight = wire.in_flight

    @property
    def parallel(self) -> int:
        """As many as may be outstanding, and one that goes out with the next answer."""
        return self._in_flight + 1

    async def ask(self, question: Question) -> Reply:
        """Ask once."""
        return await self._ask(question)
