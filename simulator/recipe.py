"""What a run does and when: steps of exact length, loops of them in loops, and set-values that are waited for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, Union

from simulator.errors import RecipeError

VALVES: Final = 6
"""ALD valves of the tool."""
MAX_CYCLES: Final = 10_000
MAX_PHASES: Final = 200_000
"""Steps of a run with all its loops: more is surely a slip."""
MAX_NAME: Final = 16
"""Characters of the recipe name's register, ``ascii:8``."""
MAX_STEP_US: Final = 3_600_000_000
"""One hour: longer is surely a slip of units."""
MAX_POWER_W: Final = 600.0
DEFAULT_CYCLES: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """What a parameter step waits for.

    Attributes:
        tolerance: reached when the reading is within this of the set-value.
        timeout_us: the run is aborted where it takes longer.
    """

    tolerance: float
    timeout_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeStep:
    """One step of a recipe.

    Attributes:
        name: what the operator calls it.
        duration_us: exact length in microseconds; of a step that waits, the least.
        open_valve: the valve that is open during the step, counted from 1; None while purging.
        power_w: of the plasma during the step.
        parameter: full name of the parameter that is set at the beginning.
        value: what it is set to.
        wait: None goes on without waiting.
    """

    name: str
    duration_us: int = 0
    open_valve: int | None = None
    power_w: float = 0.0
    parameter: str | None = None
    value: float = 0.0
    wait: Wait | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop:
    """Steps that are repeated; a loop that holds no other loop counts cycles."""

    name: str
    repeat: int
    steps: tuple[Union[RecipeStep, "Loop"], ...]


Item: TypeAlias = RecipeStep | Loop


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One step as it comes in a run.

    Attributes:
        step_number: number of the recipe step, counted from 1 in the order of the recipe; the same in every cycle.
        cycle_number: counted from 1 over the whole run; 0 outside of the innermost loops.
        open_valves: one flag a valve.
    """

    step: RecipeStep
    step_number: int
    cycle_number: int
    open_valves: tuple[bool, ...]

    @property
    def step_name(self) -> str:
        """What the operator calls it."""
        return self.step.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Steps and loops, in order.

    Attributes:
        name: printable ASCII, at most `MAX_NAME` characters.

    Raises:
        RecipeError: naming every fault of the recipe.
    """

    name: str
    steps: tuple[Item, ...]

    def __post_init__(self) -> None:
        faults = [*self._own_faults(), *(fault for item in self.steps for fault in _faults(item))]
        if not faults and self.phase_count > MAX_PHASES:
            faults.append(f"its loops make {self.phase_count} steps, more than {MAX_PHASES}")
        if faults:
            raise RecipeError(f"recipe {self.name!r} cannot run: {'; '.join(faults)}")

    @property
    def main_loop(self) -> Loop:
        """The first loop of the recipe: the one whose repeats the register ``cycles_set`` gives."""
        return next(item for item in self.steps if isinstance(item, Loop))

    @property
    def cycles(self) -> int:
        """Repeats of the main loop."""
        return self.main_loop.repeat

    @property
    def duration_us(self) -> int:
        """Length of a run, without the time that it waits for set-values."""
        return sum(_duration_us(item) for item in self.steps)

    @property
    def phase_count(self) -> int:
        """Steps of a run, those of every pass of every loop counted."""
        return sum(_phase_count(item) for item in self.steps)

    def with_cycles(self, cycles: int) -> "Recipe":
        """Build the same recipe with another number of repeats of its main loop."""
        main = self.main_loop
        return replace(self, steps=tuple(replace(main, repeat=cycles) if item is main else item for item in self.steps))

    def phases(self) -> tuple[Phase, ...]:
        """Lay the run out: every step of every pass of every loop."""
        return tuple(_Layout().of(self.steps))

    def _own_faults(self) -> list[str]:
        faults = []
        if not (self.name.isascii() and self.name.isprintable() and 0 < len(self.name) <= MAX_NAME):
            faults.append(f"its name must be 1 to {MAX_NAME} printable ASCII characters")
        if not any(isinstance(item, Loop) for item in self.steps):
            faults.append("it needs a loop: a cycle that is repeated")
        return faults


class _Layout:
    """Counts steps and cycles while it walks through the recipe."""

    def __init__(self) -> None:
        self._cycle = 0

    def of(self, items: tuple[Item, ...], *, first_number: int = 1, cycle: int = 0) -> Iterator[Phase]:
        number = first_number
        for item in items:
            if isinstance(item, RecipeStep):
                flags = tuple(valve == item.open_valve for valve in range(1, VALVES + 1))
                yield Phase(step=item, step_number=number, cycle_number=cycle, open_valves=flags)
                number += 1
            else:
                is_innermost = not any(isinstance(inner, Loop) for inner in item.steps)
                for _ in range(item.repeat):
                    self._cycle += is_innermost
                    yield from self.of(item.steps, first_number=number, cycle=self._cycle if is_innermost else 0)
                number += _step_count(item)


def _step_count(item: Item) -> int:
    return 1 if isinstance(item, RecipeStep) else sum(map(_step_count, item.steps))


def _phase_count(item: Item) -> int:
    return 1 if isinstance(item, RecipeStep) else item.repeat * sum(map(_phase_count, item.steps))


def _duration_us(item: Item) -> int:
    return item.duration_us if isinstance(item, RecipeStep) else item.repeat * sum(map(_duration_us, item.steps))


def _faults(item: Item) -> Iterator[str]:
    if isinstance(item, Loop):
        if not 1 <= item.repeat <= MAX_CYCLES:
            yield f"cycles of loop {item.name!r} must be 1 to {MAX_CYCLES}, not {item.repeat}"
        if not item.steps:
            yield f"loop {item.name!r} needs at least one step"
        for inner in item.steps:
            yield from _faults(inner)
        return
    least_us = 0 if item.parameter is not None else 1
    if not least_us <= item.duration_us <= MAX_STEP_US:
        yield f"step {item.name!r} lasts {item.duration_us} us, not {least_us} to {MAX_STEP_US}"
    if item.open_valve is not None and not 1 <= item.open_valve <= VALVES:
        yield f"step {item.name!r} opens valve {item.open_valve}, and the tool has 1 to {VALVES}"
    if not 0 <= item.power_w <= MAX_POWER_W:
        yield f"step {item.name!r} asks for {item.power_w:g} W of plasma, not 0 to {MAX_POWER_W:g}"


def al2o3(cycles: int = DEFAULT_CYCLES) -> Recipe:
    """Build thermal Al2O3 from TMA and H2O: pulse and purge 0.1/3 s and 0.1/4 s (domain.md, A cycle; DTU)."""
    return Recipe(
        name="Al2O3 TMA H2O",
        steps=(
            RecipeStep(name="stabilise", duration_us=5_000_000),
            Loop(
                name="cycle",
                repeat=cycles,
                steps=(
                    RecipeStep(name="TMA dose", duration_us=100_000, open_valve=1),
                    RecipeStep(name="TMA purge", duration_us=3_000_000),
                    RecipeStep(name="H2O dose", duration_us=100_000, open_valve=2),
                    RecipeStep(name="H2O purge", duration_us=4_000_000),
                ),
            ),
            RecipeStep(name="end purge", duration_us=5_000_000),
        ),
    )
