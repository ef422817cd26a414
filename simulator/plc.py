"""The controller of the simulated tool: its memory as requests see it, over the plant as physics moves it."""

from collections.abc import Sequence
from dataclasses import replace

from hal.parameter import RegisterKind
from simulator import commands, process, signals
from simulator.controls import controls
from simulator.errors import MapError
from simulator.event_ring import ring_area
from simulator.parameter_map import Definition
from simulator.plant_faults import PlantFaults
from simulator.registers import RegisterImage, RegisterMap
from simulator.tool_state import ToolState, restarted


class Plc:
    """Holds the state between steps. It has no clock: whoever owns it says when a step is due.

    The image of a state is made when somebody first reads it, and all of an answer comes from one image.

    Args:
        definitions: the register map.
        state: where the tool begins.

    Raises:
        MapError: the map and the tool do not have the same parameters, or overlap.
    """

    def __init__(self, definitions: Sequence[Definition], state: ToolState) -> None:
        self._map = RegisterMap(definitions)
        self._state = state
        shown = signals.signals(state)
        _require_equal("parameters", self._map.names, frozenset(shown))
        writable = frozenset(definition.parameter.name for definition in definitions if definition.is_writable)
        _require_equal("writable parameters", writable, commands.writable(state))
        self._image = self._map.image(shown, ring=ring_area(state.events))
        self._imaged = state

    @property
    def state(self) -> ToolState:
        """The plant after its last step."""
        return self._state

    @property
    def image(self) -> RegisterImage:
        """The memory after the last step and write."""
        if self._imaged is not self._state:
            ring = None if self._imaged.events is self._state.events else ring_area(self._state.events)
            self._image = self._map.image(signals.signals(self._state), self._image, ring=ring)
            self._imaged = self._state
        return self._image

    def step(self) -> None:
        """Advance by one simulated step."""
        self._state = process.step(self._state)

    def read(self, kind: RegisterKind, address: int, count: int) -> list[int]:
        """Answer a read.

        Raises:
            RequestRefusedError: an address is outside of the memory.
        """
        return self.image.read(kind, address, count)

    def write(self, kind: RegisterKind, address: int, words: Sequence[int]) -> None:
        """Take a write; it shows at once and acts from the next step.

        Raises:
            RequestRefusedError: the tool does not take it; then nothing of it was taken.
        """
        self._state = commands.command(self._state, self._map.written(kind, address, words))

    def break_plant(self, faults: PlantFaults) -> None:
        """Let exactly these things be broken from the next step on."""
        old = self._state.controls
        self._state = replace(self._state, controls=controls(old.settings, pending=old.pending, faults=faults))

    def restart(self) -> None:
        """Lose the supply and come back: counters, clock, run and events begin anew; plant and set-values stay."""
        self._state = restarted(self._state)


def _require_equal(what: str, of_map: frozenset[str], of_tool: frozenset[str]) -> None:
    if missing := sorted(of_tool - of_map):
        raise MapError(f"{what} of the tool that the map does not have: {', '.join(missing)}")
    if unknown := sorted(of_map - of_tool):
        raise MapError(f"{what} of the map that the tool does not have: {', '.join(unknown)}")
