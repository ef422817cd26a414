"""A tool as it is seen from outside: port, serial line, faults, log and control socket around a memory.

The physics, a replayed trace and a generated map each stand behind one of these, so all have the same faults.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from simulator.chance import DEFAULT_RATE_AN_HOUR, chances
from simulator.control import serve_control
from simulator.errors import FaultError
from simulator.fault import Fault, FaultName
from simulator.fault_board import FaultBoard
from simulator.fault_script import make_cue, read_script
from simulator.memory import Unit
from simulator.plant_effects import plant_faults
from simulator.plant_faults import PlantFaults
from simulator.response_log import ResponseLog
from simulator.serial_line import serve_rtu
from simulator.server import serve_tcp
from simulator.wire import Wire

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 5020


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeOptions:
    """Where a tool is served, and what goes wrong.

    Attributes:
        host: address to listen on.
        port: 0 takes any free one.
        fault_script: file of faults, see `simulator.fault_script`.
        fault_seed: draws faults by chance; None draws none.
        fault_rate_an_hour: how many of them, by simulated time.
        fault_kinds: which of them; none means all.
        response_log: file for every answer that is sent.
        is_rtu: whether it is served on a pseudo-terminal too.
        control: path of the control socket.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    fault_script: Path | None = None
    fault_seed: int | None = None
    fault_rate_an_hour: float = DEFAULT_RATE_AN_HOUR
    fault_kinds: tuple[FaultName, ...] = ()
    response_log: Path | None = None
    is_rtu: bool = False
    control: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """What a station needs of the tool behind it.

    Attributes:
        units: by their number.
        names: of all parameters, ``component/parameter``.
        step: number of the register image in force.
        values: of all parameters, for conditions.
        set_plant_faults: breaks the plant; None where there is none.
        restart: restarts the PLC; None where there is none.
    """

    units: Mapping[int, Unit]
    names: Iterable[str]
    step: Callable[[], int]
    values: Callable[[], Mapping[str, float | str]]
    set_plant_faults: Callable[[PlantFaults], None] | None = None
    restart: Callable[[], None] | None = None


class Station:
    """Serves a tool; an async context manager. Whoever drives the tool tells it the simulated time by `advance`.

    Attributes:
        port: the one in use, once it is entered.
        terminal: of the serial line, where there is one.

    Raises:
        FaultError: the script of faults has one that cannot be.
        OptionError: the draw of faults cannot be.
    """

    def __init__(self, tool: Tool, options: ServeOptions) -> None:
        self._tool = tool
        self.options = options
        self._names = frozenset(tool.names)
        components = frozenset(name.partition("/")[0] for name in self._names)
        has_plant = tool.set_plant_faults is not None
        endless = None
        if options.fault_seed is not None:
            endless = chances(
                options.fault_seed,
                rate_an_hour=options.fault_rate_an_hour,
                kinds=options.fault_kinds,
                components=components,
                has_plant=has_plant,
            )
        self.board = FaultBoard(components=components, has_plant=has_plant, endless=endless)
        script = options.fault_script
        self._cues = () if script is None else read_script(script, self._names, check=self.board.check)
        self.wire = Wire(tool.units, step=tool.step, on_hit=self.board.count_hit)
        self.board.on_change = self._put_in_force
        self.board.on_restart = self._restart
        self.port = options.port
        self.terminal: Path | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        options = self.options
        async with AsyncExitStack() as stack:
            if options.response_log is not None:
                self.wire.log = stack.enter_context(ResponseLog(options.response_log))
            for cue in self._cues:
                self.board.inject(cue)
            self.port = await stack.enter_async_context(serve_tcp(self.wire, host=options.host, port=options.port))
            if options.is_rtu:
                self.terminal = await stack.enter_async_context(serve_rtu(self.wire))
            if options.control is not None:
                await stack.enter_async_context(serve_control(options.control, self._handlers()))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def advance(self, now_s: float) -> None:
        """Let faults begin and end.

        Args:
            now_s: simulated seconds since the start, which a frozen or restarted PLC does not stop.
        """
        self.board.advance(now_s, self._tool.values)

    def inject(self, fields: Mapping[str, Any]) -> int:
        """Inject a fault as a command does: ``name``, what belongs to it, and its beginning and end.

        ``at_s`` counts from now.

        Returns:
            Its number.

        Raises:
            FaultError: it cannot be.
        """
        return self.board.inject(make_cue(fields, self._names, now_s=self.board.now_s))

    def _put_in_force(self, faults: tuple[Fault, ...]) -> None:
        if self._tool.set_plant_faults is not None:
            self._tool.set_plant_faults(plant_faults(faults))
        on_wire = (fault for fault in faults if not fault.name.is_of_the_plant or fault.name is FaultName.PLC_RESTART)
        self.wire.set_faults(on_wire)

    def _restart(self) -> None:
        if self._tool.restart is not None:
            self._tool.restart()

    def _handlers(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        def inject(request: Mapping[str, Any]) -> Any:
            fields = request.get("fault")
            if not isinstance(fields, dict):
                raise FaultError("inject needs 'fault', an object with the fault's name")
            return {"id": self.inject(fields)}

        def clear(request: Mapping[str, Any]) -> Any:
            which = request.get("which")
            if not (which is None or isinstance(which, int | str)):
                raise FaultError("clear takes 'which', a number or a name")
            return {"cleared": self.board.clear(which)}

        def flush(_request: Mapping[str, Any]) -> Any:
            log = self.wire.log
            if log is not None:
                log.flush()
            return {"responses": 0 if log is None else log.count}

        return {"inject": inject, "clear": clear, "list": lambda _request: self.board.describe(), "flush": flush}
