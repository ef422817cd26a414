"""The controller of the simulated tool: its memory as requests see it, over the plant as physics moves it."""

from collections.abc import Sequence

from hal.parameter import RegisterKind
from simulator import process, signals
from simulator.errors import MapError
from simulator.parameter_map import Definition
from simulator.process import ToolState
from simulator.registers import RegisterImage, RegisterMap


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
        _require_equal("writable parameters", writable, signals.writable())
        self._image = self._map.image(shown)
        self._imaged = state

    @property
    def state(self) -> ToolState:
        """The plant after its last step."""
        return self._state

    @property
    def image(self) -> RegisterImage:
        """The memory after the last step and write."""
        if self._imaged is not self._state:
            self._image = self._map.image(signals.signals(self._state), self._image)
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
        self._state = signals.command(self._state, self._map.written(kind, address, words))


def _require_equal(what: str, of_map: frozenset[str], of_tool: frozenset[str]) -> None:
    if missing := sorted(of_tool - of_map):
        raise MapError(f"{what} of the tool that the map does not have: {', '.join(missing)}")
    if unknown := sorted(of_map - of_tool):
        raise MapError(f"{what} of the map that the tool does not have: {', '.join(unknown)}")
