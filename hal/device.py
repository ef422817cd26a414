"""A device: the connection to one unit, its health, and the scans made over it."""

from asyncio import Event
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Final

from hal.backoff import Backoff
from hal.bit_writer import BitWriter
from hal.clock import Clock, SystemClock
from hal.codec import encode
from hal.errors import DefinitionError, LinkError, NotConnectedError, RefusedError
from hal.health import DeviceEvent, DeviceHealth, DeviceState
from hal.hole import Hole
from hal.link import Block, Connect, Identify, Link, Reading
from hal.outcome import Failure, Outcome, make_rows
from hal.parameter import Parameter, RegisterKind
from hal.plan import ReadPlan
from hal.probing import Probed, probe
from hal.quality import Quality
from hal.reading import read_blocks
from hal.refusals import Refusals, refusal_of
from hal.scan import Scan

_WRITABLE = frozenset({RegisterKind.COIL, RegisterKind.HOLDING_REGISTER})
_LOST = "the connection was closed"
OPEN_AFTER: Final = 2
"""Failures in a row, after which a new connection has to answer one request before scans are made over it."""


def _ignore(_event: object) -> None:
    """Stand in where nobody asked for events."""


class Device:
    """Owns the connection to one unit and reads plans over it.

    `run` keeps the connection; `scan` and `write` use whatever connection there is, and never wait for one. Scans of
    several intervals may run at the same time: their requests take turns on the link.

    It is a circuit breaker: a device that accepts connections and never answers costs one request for each back-off,
    and the slots meanwhile fail at once.

    Args:
        name: name of the device, in scans, events and errors.
        connect: opens a new link.
        on_event: called in the event loop at each `DeviceEvent`; must not block.
        refusals: what it is known to refuse.
        on_holes: called in the event loop with all that it refuses, each time that this changes; must not block.
    """

    def __init__(
        self,
        name: str,
        connect: Connect,
        *,
        backoff: Backoff | None = None,
        clock: Clock | None = None,
        on_event: Callable[[DeviceEvent], None] = _ignore,
        refusals: Refusals | None = None,
        on_holes: Callable[[tuple[Hole, ...]], None] = _ignore,
    ) -> None:
        self.name = name
        self._connect = connect
        self._backoff = backoff or Backoff()
        self._clock = clock or SystemClock()
        self._on_event = on_event
        self._refusals = refusals or Refusals()
        self._on_holes = on_holes
        self._link: Link | None = None
        self._tried: Block | None = None
        self._connected = Event()
        self._bits = BitWriter()
        self._state = DeviceState.STOPPED
        self._error: LinkError | None = None
        self._connected_since_ns: int | None = None
        self._next_try_ns: int | None = None
        self._round_trip_ns: int | None = None
        self._failures = 0
        self._has_answered = False
        self._told_reason: str | None = None

    @property
    def health(self) -> DeviceHealth:
        """How the device is now."""
        return DeviceHealth(
            state=self._state,
            last_error=None if self._error is None else str(self._error),
            connected_since_ns=self._connected_since_ns,
            next_try_ns=self._next_try_ns,
            round_trip_ns=self._round_trip_ns,
            failures=self._failures,
        )

    async def wait_connected(self) -> None:
        """Wait until there is a connection."""
        await self._connected.wait()

    async def run(self) -> None:
        """Connect, wait until the connection is lost, back off, connect again; until cancelled."""
        try:
            while True:
                self._state = DeviceState.CONNECTING if self._failures < OPEN_AFTER else DeviceState.HALF_OPEN
                try:
                    link = await self._open()
                except LinkError as error:
                    self._error = error
                    self._failures += 1
                else:
                    await self._serve(link)
                await self._back_off()
        finally:
            self._state = DeviceState.STOPPED
            self._next_try_ns = None

    async def scan(self, plan: ReadPlan) -> Scan:
        """Read every block of a plan once; what could not be read is told by the scan, never raised."""
        started_ns = self._clock.monotonic_ns()
        current = self._refusals.plan_now(plan)
        try:
            link = self._usable_link("scan")
        except NotConnectedError as error:
            unread: list[Outcome] = [Failure(error=error, at_ns=started_ns, sent=False) for _ in current.blocks]
            return self._make_scan(current, unread, started_ns, requests=0)
        outcomes = await read_blocks(
            current.blocks,
            read=lambda block: self._read(link, block),
            parallel=link.parallel,
            now_ns=self._clock.monotonic_ns,
        )
        requests = sum(not isinstance(outcome, Failure) or outcome.sent for outcome in outcomes)
        if any(isinstance(outcome, Failure) and not isinstance(outcome.error, RefusedError) for outcome in outcomes):
            return self._make_scan(current, outcomes, started_ns, requests=requests)
        probed = await self._probe(link, plan, current, outcomes, started_ns)
        return self._make_scan(probed.plan, probed.outcomes, started_ns, requests=requests + probed.extra)

    async def _probe(
        self, link: Link, plan: ReadPlan, current: ReadPlan, outcomes: list[Outcome], started_ns: int
    ) -> Probed:
        """Look into what was refused, for at most half of the scan interval from its start."""
        interval_ms = plan.parameters[0].scan_interval_ms if plan.parameters else 0
        probed = await probe(
            self._refusals,
            plan,
            current,
            outcomes,
            read=lambda block: self._read(link, block),
            now_ns=self._clock.monotonic_ns,
            until_ns=started_ns + interval_ms * 500_000,
        )
        if probed.has_changed:
            self._on_holes(self._refusals.holes)
        return probed

    @property
    def holes(self) -> tuple[Hole, ...]:
        """What the device is known to refuse."""
        return self._refusals.holes

    def plan_now(self, plan: ReadPlan) -> ReadPlan:
        """The plan as it is read at present, around what the device refuses."""
        return self._refusals.plan_now(plan)

    async def read(self, block: Block) -> Reading:
        """Read one block for somebody who asks, beside the scans; a refusal is neither learned nor shown as an error.

        Raises:
            LinkError: nothing was read.
        """
        reading = await self._usable_link(f"read {block}").read(block)
        self._answered()
        return reading

    async def identify(self) -> Mapping[str, str]:
        """Ask the device who it is, for somebody who wants to know; empty where it does not say.

        Raises:
            LinkError: it gave no answer.
        """
        link = self._usable_link("read device identification")
        if not isinstance(link, Identify):
            return {}
        objects = await link.identify()
        self._answered()
        return objects

    async def write(self, parameter: Parameter, value: float | str) -> None:
        """Write one value; whether it may be written is for the caller to know.

        A bit of a register is set as `hal.bit_writer.BitWriter` says.

        Raises:
            DefinitionError: the parameter cannot be written, or cannot hold this value; nothing was sent.
            LinkError: it was not written, or (after a time-out) nobody knows.
        """
        if parameter.kind not in _WRITABLE:
            raise DefinitionError(f"{parameter.name}: a {parameter.kind} cannot be written")
        if not isinstance(value, str) and not isfinite(value):
            raise DefinitionError(f"{parameter.name}: {value} is no value to write")
        words = encode(parameter, value)
        link = self._usable_link(f"write {parameter.name}")
        try:
            if parameter.bit is None:
                await link.write(parameter.kind, parameter.address, words.tolist())
            else:
                mask = int(encode(replace(parameter, scale=1.0, offset=0.0), 1.0)[0])
                await self._bits.write(link, parameter.address, mask=mask, word=int(words[0]))
        except LinkError as error:
            self._error = error
            raise

    async def write_together(self, parameters: Sequence[Parameter], values: Sequence[float]) -> None:
        """Write parameters whose addresses touch, as `hal.write_plan.plan_writes` groups them, with one request.

        Raises:
            DefinitionError: one cannot be written, or cannot hold its value; nothing was sent.
            LinkError: nothing was written, or (where the request went out) nobody knows.
        """
        if len(parameters) == 1:
            await self.write(parameters[0], values[0])
            return
        words = [word for p, v in zip(parameters, values, strict=True) for word in encode(p, v).tolist()]
        link = self._usable_link(f"write {len(parameters)} parameters from {parameters[0].name}")
        try:
            await link.write(parameters[0].kind, parameters[0].address, words)
        except LinkError as error:
            self._error = error
            raise

    def _usable_link(self, operation: str) -> Link:
        if self._link is not None and not self._link.lost.is_set():
            return self._link
        reason = f"no connection, {self._state}"
        if self._error is not None:
            reason += f" after: {self._error.operation}: {self._error.reason}"
        error = NotConnectedError(operation=operation, device=self.name, reason=reason)
        error.was_sent = False
        raise error

    async def _read(self, link: Link, block: Block) -> Outcome:
        asked_ns = self._clock.monotonic_ns()
        self._tried = block
        try:
            reading = await link.read(block)
        except LinkError as error:
            if not error.is_consequence:
                self._error = error
            if isinstance(error, RefusedError):
                self._answered()
            return Failure(error=error, at_ns=(asked_ns + self._clock.monotonic_ns()) // 2, sent=error.was_sent)
        self._round_trip_ns = reading.responded_ns - reading.requested_ns
        self._answered()
        return reading

    def _answered(self) -> None:
        """Trust the connection: only now, since a device may accept connections that it never serves."""
        self._has_answered = True
        self._failures = 0

    def _make_scan(self, plan: ReadPlan, outcomes: Sequence[Outcome], started_ns: int, *, requests: int) -> Scan:
        unread = Quality.NOT_CONNECTED if self._link is None else Quality.REFUSED
        read_ns = self._clock.monotonic_ns()
        rows = make_rows(plan, outcomes, unread=unread, unread_ns=started_ns)
        decoded_ns = self._clock.monotonic_ns()
        failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        first = min(failures, key=lambda failure: failure.error.is_consequence).error if failures else None
        if not outcomes and plan.parameters:
            first = self._error if self._link is None else refusal_of(self.name, plan)
        return Scan(
            device=self.name,
            parameter_ids=plan.parameter_ids,
            monotonic_ns=rows.monotonic_ns,
            values=rows.values,
            set_values=rows.set_values,
            quality=rows.quality,
            texts=rows.texts,
            requests=requests,
            failed_blocks=len(failures),
            cause=first.cause if first is not None and len(failures) == len(outcomes) else None,
            error=None if first is None else str(first),
            started_ns=started_ns,
            ended_ns=decoded_ns,
            decode_ns=decoded_ns - read_ns,
        )

    async def _open(self) -> Link:
        """Connect; where that failed before, or the connections never served, one request has to be answered first.

        It is the request that was tried last: a device that answers anything else only would be lent to scans in vain.

        Raises:
            LinkError: there is no connection, or no answer over it.
        """
        link = await self._connect()
        if self._state is DeviceState.HALF_OPEN and self._tried is not None:
            try:
                await link.read(self._tried)
            except RefusedError:
                return link  # that is an answer
            except BaseException:
                await link.close()
                raise
        return link

    async def _serve(self, link: Link) -> None:
        """Lend the link until it is lost; close it in any case."""
        error_before = self._error
        try:
            self._link, self._has_answered, self._told_reason = link, False, None
            self._state = DeviceState.CONNECTED
            self._connected_since_ns = self._clock.monotonic_ns()
            self._connected.set()
            self._tell(None)
            await link.lost.wait()
        finally:
            self._link = self._connected_since_ns = None
            self._connected.clear()
            await link.close()
        self._state = DeviceState.CONNECTING
        if self._error is error_before or isinstance(self._error, RefusedError):
            self._error = NotConnectedError(operation="wait for the next request", device=self.name, reason=_LOST)
        if not self._has_answered:
            self._failures += 1
        self._tell(self._error)

    async def _back_off(self) -> None:
        """Wait before the next attempt, but not after the loss of a connection that served."""
        if self._failures == 0:
            return
        wait_s = self._backoff.wait_s(self._failures)
        self._state = DeviceState.BACKING_OFF
        self._next_try_ns = self._clock.monotonic_ns() + round(wait_s * 1e9)
        # An outage of an hour is one event for each reason, not one for each attempt.
        if self._error is not None and str(self._error) != self._told_reason:
            self._tell(self._error)
        await self._clock.sleep(wait_s)
        self._next_try_ns = None

    def _tell(self, error: LinkError | None) -> None:
        self._told_reason = None if error is None else str(error)
        self._on_event(
            DeviceEvent(
                device=self.name,
                state=self._state,
                monotonic_ns=self._clock.monotonic_ns(),
                reason=self._told_reason,
            )
        )
