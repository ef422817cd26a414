"""Link to one Modbus unit over whatever channel there is."""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from hal.errors import DefinitionError, MalformedError, NotConnectedError, RefusedError, RequestTimeoutError
from hal.link import Block, Reading
from hal.modbus import request
from hal.modbus.channel import Channel, MismatchError, Question, Reply, TakenAlongError
from hal.modbus.identification import BASIC, IDENTIFICATION_CODES, Identification
from hal.modbus.place import UnitSettings
from hal.parameter import RegisterKind

_ILLEGAL_FUNCTION: Final = 1
_MOST_PARTS: Final = 16
"""Answers that one identification may take: a device that always says "more follows" must not hold the line."""
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class ModbusLink:
    """An open connection to one unit. Made by `connect`, `tcp_link` or `Line.join`."""

    def __init__(self, unit: UnitSettings, channel: Channel) -> None:
        self._unit = unit
        self._channel = channel
        self._reads: dict[Block, Question] = {}

    @property
    def lost(self) -> asyncio.Event:
        """Set once the connection is gone."""
        return self._channel.lost

    @property
    def parallel(self) -> int:
        """Requests worth having under way at the same time."""
        return self._channel.parallel

    async def read(self, block: Block) -> Reading:
        """Read a block with one request."""
        question = self._reads.get(block)
        if question is None:
            question = self._reads[block] = request.read(self._unit, block)
        return _reading(block, await self._ask(question))

    async def write(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None:
        """Write words or bits with one request; a single value by the function of its own."""
        await self._ask(request.write(self._unit, kind, address, values))

    async def mask_write(self, address: int, *, and_mask: int, or_mask: int) -> None:
        """Let the device set a holding register to (its word & and_mask) | (or_mask & ~and_mask): function 22."""
        await self._ask(request.mask_write(self._unit, address, and_mask=and_mask, or_mask=or_mask))

    async def read_write(self, block: Block, address: int, values: Sequence[int]) -> Reading:
        """Write holding registers, then read a block of them, in one transaction: function 23."""
        return _reading(block, await self._ask(request.read_write(self._unit, block, address, values)))

    async def identify(self) -> Mapping[str, str]:
        """Read who the device says that it is: function 43, type 14; empty where it knows no such function."""
        objects: dict[str, str] = {}
        for code in IDENTIFICATION_CODES:
            first = 0
            for _ in range(_MOST_PARTS):
                question = request.identification(self._unit, code=code, first_object=first)
                try:
                    reply = await self._ask(question)
                except RefusedError:
                    return objects if code != BASIC else _NOTHING
                part = Identification.parse(reply.answer.data)
                objects |= part.objects
                if part.next_object is None:
                    break
                first = part.next_object
        return objects

    async def knows(self, function_code: int) -> bool:
        """Ask whether the device knows a function that reads, by the smallest request there is.

        Raises:
            DefinitionError: the function is not one that reads.
            LinkError: the device gave no answer.
        """
        question = self._smallest(function_code)
        try:
            await self._ask(question)
        except RefusedError as error:
            return error.exception_code != _ILLEGAL_FUNCTION
        return True

    async def close(self) -> None:
        """Close the connection; harmless when it is closed already."""
        await self._channel.close()

    def _smallest(self, function_code: int) -> Question:
        for kind in RegisterKind:
            if kind.function_code == function_code:
                return request.read(self._unit, Block(kind=kind, address=0, count=1))
        question = request.identification(self._unit, code=BASIC, first_object=0)
        if question.expected.function != function_code:
            raise DefinitionError(f"{self._unit.device}: function {function_code} is none that only reads")
        return question

    async def _ask(self, question: Question) -> Reply:
        """Ask, and translate what goes wrong."""
        device, operation = self._unit.device, question.operation
        try:
            reply = await self._channel.ask(question)
        except TimeoutError as error:
            more = f" {error}" if str(error) else ""
            reason = f"no answer within {self._unit.request_timeout_s:g} s{more}"
            raise RequestTimeoutError(operation=operation, device=device, reason=reason) from error
        except ConnectionError as error:
            raise _not_connected(operation, device, error) from error
        except MismatchError as error:
            raise MalformedError(operation=operation, device=device, reason=str(error)) from error
        if reply.answer.exception_code is not None:
            raise RefusedError(operation=operation, device=device, exception_code=reply.answer.exception_code)
        return reply


def _not_connected(operation: str, device: str, error: ConnectionError) -> NotConnectedError:
    translated = NotConnectedError(operation=operation, device=device, reason=str(error))
    if isinstance(error, TakenAlongError):
        translated.was_sent, translated.is_consequence = error.was_sent, True
    return translated


def _reading(block: Block, reply: Reply) -> Reading:
    payload = np.frombuffer(reply.answer.data, np.uint8)
    return Reading(
        data=np.unpackbits(payload, count=block.count, bitorder="little").astype(np.bool_)
        if block.kind.is_bit
        else payload.view(">u2").astype(np.uint16),
        requested_ns=reply.requested_ns,
        responded_ns=reply.responded_ns,
        is_after_flush=reply.is_after_flush,
    )
