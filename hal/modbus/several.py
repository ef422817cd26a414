"""Several connections to one device, where it allows them: as many requests at a time."""

import asyncio
from collections.abc import Sequence

from hal.errors import NotConnectedError
from hal.modbus.channel import Question, Reply
from hal.modbus.line import Line, Member, Seat
from hal.modbus.place import ModbusTcpSettings


class Several:
    """A channel over several connections.

    Many a controller takes a few connections only. It refuses the others, or closes them at once: those are left out.
    One that is lost after it has answered ends them all, since then the device has gone.
    """

    def __init__(self, seats: Sequence[Seat], *, in_flight: int) -> None:
        self.lost = asyncio.Event()
        self._seats = list(seats)
        self._in_flight = in_flight
        self._free: asyncio.Queue[Seat | None] = asyncio.Queue()
        self._reason = "the connection is closed"
        for seat in self._seats:
            seat.when_lost = self._lose
        for seat in self._seats * in_flight:  # each once, then each once more
            self._free.put_nowait(seat)
        for seat in [seat for seat in self._seats if seat.lost.is_set()]:
            self._lose(seat)

    @property
    def parallel(self) -> int:
        """Requests that may be outstanding on the connections that are open."""
        return max(len(self._seats), 1) * self._in_flight

    async def ask(self, question: Question) -> Reply:
        """Ask over the first connection that takes one more; first come, first served."""
        while True:
            seat = await self._free.get()
            if seat is None:
                self._free.put_nowait(None)  # for whoever waits behind
                raise ConnectionError(self._reason)
            try:
                return await seat.ask(question)
            except ConnectionError:
                if self.lost.is_set() or not question.is_read:
                    raise
                # A connection too many, closed before it ever answered: the others can do it.
            finally:
                if not seat.lost.is_set():
                    self._free.put_nowait(seat)

    async def close(self) -> None:
        """Close all of them."""
        self._end("the connection is closed")
        for seat in list(self._seats):
            await seat.close()

    def _lose(self, seat: Seat) -> None:
        if self.lost.is_set():
            return
        if seat.has_answered or len(self._seats) == 1:
            self._end(seat.reason)
        else:
            self._seats.remove(seat)

    def _end(self, reason: str) -> None:
        if not self.lost.is_set():
            self._reason = reason
            self.lost.set()
            self._free.put_nowait(None)


class Connections:
    """The lines to one device, kept from one connection to the next."""

    def __init__(self, settings: ModbusTcpSettings) -> None:
        self._members: list[Member] = [
            Line(settings.place, in_flight=settings.requests_in_flight).add(settings.unit_settings)
            for _ in range(settings.connections)
        ]
        self._in_flight = settings.requests_in_flight

    async def connect(self) -> Seat | Several:
        """Open what the device lets open.

        Raises:
            NotConnectedError: not even one.
        """
        first = await self._members[0].connect()
        if len(self._members) == 1:
            return first
        seats = [first]
        try:
            async with asyncio.TaskGroup() as tasks:
                for member in self._members[1:]:
                    tasks.create_task(_sit(member, seats), name=f"{member.unit.device} further connection")
        except BaseException:
            for seat in seats:
                await seat.close()
            raise
        return Several(seats, in_flight=self._in_flight)


async def _sit(member: Member, seats: list[Seat]) -> None:
    try:
        seats.append(await member.connect())
    except NotConnectedError:
        return  # one too many for this device
