"""A block or the identification of a device through the running daemon: both ends of it.

Nobody else may open what the daemon holds. It reads for whoever asks, and never writes.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from hal.device import Device
from hal.errors import (
    DefinitionError,
    LinkError,
    MalformedError,
    NotConnectedError,
    RefusedError,
    RequestTimeoutError,
)
from hal.limits import MOST_BITS, MOST_REGISTERS, AddressRange, PlanLimits
from hal.link import Block, Reading
from hal.parameter import RegisterKind
from hal.survey import Pace
from recorder.control import Handler, ask
from recorder.errors import DaemonAwayError, UsageError

RATE_PER_S: Final = 20.0
"""Most requests a second beside a recording: a tenth of a device that answers in 5 ms."""
_ERRORS: Final[Mapping[str, type[LinkError]]] = {
    error.cause: error for error in (NotConnectedError, RequestTimeoutError, MalformedError)
}


def probe_handler(devices: Callable[[], Iterable[tuple[Device, PlanLimits]]]) -> Handler:
    """What answers ``probe`` in the daemon: it reads one block, and never writes.

    Args:
        devices: those that the daemon has at present, and what must not be asked of each.
    """

    async def probe(request: Mapping[str, Any]) -> dict[str, Any]:
        device, limits = _find(request, devices())
        block = _block(request)
        forbidden = limits.forbidden_within(block.kind, block.address, block.address + block.count - 1)
        if forbidden is not None:
            raise UsageError(f"{block} touches {forbidden}, which [devices.{device.name}] forbids")
        try:
            reading = await device.read(block)
        except LinkError as error:
            return _failure(error)
        return {
            "data": reading.data.astype(np.int64).tolist(),
            "requested_ns": reading.requested_ns,
            "responded_ns": reading.responded_ns,
        }

    return probe


def identify_handler(devices: Callable[[], Iterable[tuple[Device, PlanLimits]]]) -> Handler:
    """What answers ``identify`` in the daemon: it asks a device who it is.

    A device that meets the question with silence is not asked again: it may cost the recording a connection.

    Args:
        devices: those that the daemon has at present, and what must not be asked of each.
    """
    silent: dict[str, dict[str, Any]] = {}

    async def identify(request: Mapping[str, Any]) -> dict[str, Any]:
        device, _ = _find(request, devices())
        if device.name in silent:
            return silent[device.name]
        try:
            return {"objects": dict(await device.identify())}
        except RequestTimeoutError as error:
            silent[device.name] = _failure(error)
            return silent[device.name]
        except LinkError as error:
            return _failure(error)

    return identify


def _find(request: Mapping[str, Any], devices: Iterable[tuple[Device, PlanLimits]]) -> tuple[Device, PlanLimits]:
    name = str(request.get("device", ""))
    found = next((item for item in devices if item[0].name == name), None)
    if found is None:
        raise UsageError(f"the recorder has no device {name!r}: does it run with this configuration?")
    return found


def _failure(error: LinkError) -> dict[str, Any]:
    code = error.exception_code if isinstance(error, RefusedError) else None
    return {"cause": error.cause, "reason": error.reason, "exception_code": code}


def _block(request: Mapping[str, Any]) -> Block:
    try:
        kind, address, count = RegisterKind(request["kind"]), int(request["address"]), int(request["count"])
        AddressRange(kind=kind, first=address, last=address + count - 1)
    except (KeyError, TypeError, ValueError, DefinitionError) as error:
        raise UsageError(f"probe: not a block: {error}") from error
    most = MOST_BITS if kind.is_bit else MOST_REGISTERS
    if count > most:
        raise UsageError(f"probe: one request reads at most {most} of {kind}, not {count}")
    return Block(kind=kind, address=address, count=count)


class DaemonReader:
    """Reads the blocks of one device through the daemon; a `hal.survey.BlockReader`.

    Args:
        socket: of the daemon.
        device: as the configuration calls it.
    """

    def __init__(self, socket: Path, device: str, *, rate_per_s: float = RATE_PER_S) -> None:
        self._socket = socket
        self._device = device
        self._pace = Pace(rate_per_s)

    async def read(self, block: Block) -> Reading:
        """Read a block."""
        operation = f"read {block} through the recorder"
        answer = await self._ask(
            "probe", operation, {"kind": block.kind, "address": block.address, "count": block.count}
        )
        data = answer["data"]
        return Reading(
            data=np.array(data, np.bool_) if block.kind.is_bit else np.array(data, np.uint16),
            requested_ns=answer["requested_ns"],
            responded_ns=answer["responded_ns"],
        )

    async def identify(self) -> Mapping[str, str]:
        """Ask the device who it is; empty where it does not say.

        Raises:
            LinkError: it gave no answer.
        """
        answer = await self._ask("identify", "read device identification through the recorder", {})
        return dict(answer["objects"])

    async def _ask(self, command: str, operation: str, arguments: Mapping[str, object]) -> Mapping[str, Any]:
        """Ask the daemon, and raise what it met as if it was met here."""
        await self._pace.wait()
        try:
            answer: Mapping[str, Any] = await ask(self._socket, command, device=self._device, **arguments)
        except (DaemonAwayError, asyncio.IncompleteReadError) as error:
            raise NotConnectedError(operation=operation, device=self._device, reason=str(error)) from error
        if "cause" not in answer:
            return answer
        if answer["exception_code"] is not None:
            raise RefusedError(operation=operation, device=self._device, exception_code=answer["exception_code"])
        kind = _ERRORS.get(answer["cause"], LinkError)
        raise kind(operation=operation, device=self._device, reason=answer["reason"])
