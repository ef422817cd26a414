"""Which faults are in force, and which wait for their time: where scripts, commands and chance all meet.

It has no clock: whoever drives the tool tells it the simulated time, and it says what is broken from then on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulator.condition import Condition
from simulator.errors import FaultError
from simulator.fault import Fault, FaultName
from simulator.plant_effects import check_component

Values = Callable[[], Mapping[str, float | str]]
RESTART_S: Final = 2.0
"""Simulated seconds for which a PLC that restarts refuses connections, where nothing else is said [K]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cue:
    """A fault, its beginning and its end.

    Attributes:
        at_s: simulated seconds since the start of the simulator; with ``when``, its earliest time.
        when: begins as soon as this holds; None begins at ``at_s``.
        for_s: ends so many simulated seconds after it began; None has no such end.
        until: ends as soon as this holds, or None.
        origin: where it was written, for messages.
    """

    fault: Fault
    at_s: float = 0.0
    when: Condition | None = None
    for_s: float | None = None
    until: Condition | None = None
    origin: str = "command"


@dataclass(kw_only=True, slots=True)
class _Placed:
    """A cue on the board.

    Attributes:
        number: by which it can be cleared.
        began_s: None while it waits.
        hits: answers that it has hit.
    """

    number: int
    cue: Cue
    began_s: float | None = None
    hits: int = 0

    def describe(self) -> dict[str, Any]:
        cue = self.cue
        told: dict[str, Any] = {"id": self.number, **cue.fault.describe(), "is_active": self.began_s is not None}
        told |= {"began_s": self.began_s, "for_s": cue.for_s, "hits": self.hits, "origin": cue.origin}
        if self.began_s is None:
            told["at_s"] = cue.at_s
        for key, condition in (("when", cue.when), ("until", cue.until)):
            if condition is not None:
                told[key] = condition.text
        return {key: value for key, value in told.items() if value is not None}


class FaultBoard:
    """The faults of one tool.

    Args:
        components: of its map.
        has_plant: whether faults of the plant make sense.
        endless: cues in order of time, taken one after the other: chance.

    Attributes:
        now_s: simulated seconds since the start of the simulator, as it was last told.
        on_change: called with the faults in force whenever they change.
        on_restart: called when a PLC restart begins.
    """

    def __init__(self, *, components: Iterable[str], has_plant: bool, endless: Iterator[Cue] | None = None) -> None:
        self._components = frozenset(components)
        self._has_plant = has_plant
        self._endless = endless
        self._placed: list[_Placed] = []
        self._next_number = 1
        self.now_s = 0.0
        self.on_change: Callable[[tuple[Fault, ...]], None] = lambda _faults: None
        self.on_restart: Callable[[], None] = lambda: None

    @property
    def active(self) -> tuple[Fault, ...]:
        """The faults in force."""
        return tuple(placed.cue.fault for placed in self._placed if placed.began_s is not None)

    def check(self, fault: Fault) -> None:
        """Make sure that the tool can have a fault.

        Raises:
            FaultError: it cannot.
        """
        if fault.name.is_of_the_plant and not self._has_plant:
            raise FaultError(f"{fault.name} is of a plant, and what is served here has none", key="name")
        check_component(fault, self._components)

    def inject(self, cue: Cue) -> int:
        """Put a cue on the board; it begins at once where its time is there.

        Returns:
            Its number.

        Raises:
            FaultError: the tool cannot have it.
        """
        self.check(cue.fault)
        number, self._next_number = self._next_number, self._next_number + 1
        placed = _Placed(number=number, cue=cue)
        self._placed.append(placed)
        if cue.when is None and cue.at_s <= self.now_s:
            self._begin(placed)
            self._tell()
        return number

    def clear(self, which: str | int | None = None) -> int:
        """Take faults off the board, begun or not.

        Args:
            which: a number, a name, or None for all.

        Returns:
            How many.

        Raises:
            FaultError: none is so called.
        """
        gone = [placed for placed in self._placed if which in {None, placed.number, placed.cue.fault.name.value}]
        if which is not None and not gone:
            raise FaultError(f"no fault {which} waits or is in force")
        self._remove(gone)
        return len(gone)

    def describe(self) -> list[dict[str, Any]]:
        """All that is in force or waits, for people and programs."""
        return [placed.describe() for placed in self._placed]

    def advance(self, now_s: float, values: Values) -> None:
        """Begin and end what is due.

        Args:
            now_s: simulated seconds since the start of the simulator, which a frozen PLC does not stop.
            values: gives the tool's values by parameter name; asked only where a condition waits.
        """
        self.now_s = now_s
        if not self._placed and self._endless is None:
            return
        self._take_chances(now_s)
        known: Mapping[str, float | str] | None = None
        ended: list[_Placed] = []
        has_begun = False
        for placed in self._placed:
            cue = placed.cue
            watched = cue.when if placed.began_s is None else cue.until
            if watched is not None and known is None and now_s >= cue.at_s:
                known = values()
            if placed.began_s is None:
                if now_s >= cue.at_s and (cue.when is None or (known is not None and cue.when.holds(known))):
                    self._begin(placed)
                    has_begun = True
            elif (cue.for_s is not None and now_s >= placed.began_s + cue.for_s) or (
                cue.until is not None and known is not None and cue.until.holds(known)
            ):
                ended.append(placed)
        if ended:
            self._remove(ended)
        elif has_begun:
            self._tell()

    def count_hit(self, fault: Fault) -> None:
        """Count an answer that a fault has hit; one that was to hit so many ends."""
        for placed in self._placed:
            if placed.cue.fault is fault:
                placed.hits += 1
                if fault.answers is not None and placed.hits >= fault.answers:
                    self._remove([placed])
                return

    def _take_chances(self, now_s: float) -> None:
        """Keep the next chance on the board, ahead of its time."""
        while self._endless is not None and not any(
            placed.cue.origin == "chance" and placed.cue.at_s > now_s for placed in self._placed
        ):
            cue = next(self._endless, None)
            if cue is None:
                self._endless = None
                return
            self._placed.append(_Placed(number=self._next_number, cue=cue))
            self._next_number += 1

    def _begin(self, placed: _Placed) -> None:
        placed.began_s = self.now_s
        if placed.cue.fault.name is FaultName.PLC_RESTART:
            self.on_restart()

    def _remove(self, gone: list[_Placed]) -> None:
        self._placed = [placed for placed in self._placed if placed not in gone]
        if any(placed.began_s is not None for placed in gone):
            self._tell()

    def _tell(self) -> None:
        self.on_change(self.active)
