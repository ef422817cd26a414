"""What a run does and when: steps of exact length, some of them repeated in cycles."""

from dataclasses import dataclass, replace
from typing import Final

from simulator.errors import RecipeError

VALVES: Final = 2
"""ALD valves of the tool: 1 is precursor A, 2 is reactant B."""
MAX_CYCLES: Final = 10_000
MAX_NAME: Final = 16
"""Characters of the recipe name's register, ``ascii:8``."""
MAX_STEP_US: Final = 3_600_000_000
"""One hour: longer is surely a slip of units."""
DEFAULT_CYCLES: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeStep:
    """One step of a recipe.

    Attributes:
        name: what the operator calls it.
        duration_us: exact length in microseconds.
        open_valve: the valve that is open during the step, counted from 1; None while purging.
    """

    name: str
    duration_us: int
    open_valve: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One step as it comes in a run.

    Attributes:
        step_number: number of the recipe step, counted from 1; the same in every cycle.
        cycle_number: counted from 1; 0 before the first cycle and after the last.
        begin_us: from the start of the run.
        end_us: from the start of the run; the next phase begins there.
        open_valves: one flag a valve.
    """

    step_number: int
    step_name: str
    cycle_number: int
    begin_us: int
    end_us: int
    open_valves: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Steps before, steps of each cycle, steps after.

    Attributes:
        name: printable ASCII, at most `MAX_NAME` characters.
        before: once, in cycle 0.
        cycle: repeated ``cycles`` times.
        after: once, in cycle 0.
        cycles: 1 to `MAX_CYCLES`.

    Raises:
        RecipeError: naming every fault of the recipe.
    """

    name: str
    before: tuple[RecipeStep, ...]
    cycle: tuple[RecipeStep, ...]
    after: tuple[RecipeStep, ...]
    cycles: int = DEFAULT_CYCLES

    def __post_init__(self) -> None:
        faults = [*self._own_faults(), *(fault for step in self.steps for fault in _step_faults(step))]
        if faults:
            raise RecipeError(f"recipe {self.name!r} cannot run: {'; '.join(faults)}")

    @property
    def steps(self) -> tuple[RecipeStep, ...]:
        """Every step once, in the order of their numbers."""
        return (*self.before, *self.cycle, *self.after)

    @property
    def duration_us(self) -> int:
        """Length of a run."""
        once_us = sum(step.duration_us for step in (*self.before, *self.after))
        return once_us + self.cycles * sum(step.duration_us for step in self.cycle)

    def with_cycles(self, cycles: int) -> "Recipe":
        """Build the same recipe with another number of cycles."""
        return replace(self, cycles=cycles)

    def phases(self) -> tuple[Phase, ...]:
        """Lay the run out in time: every step of every cycle, without gap or overlap."""
        first_of_cycle = len(self.before) + 1
        first_after = first_of_cycle + len(self.cycle)
        order = [(number, 0, step) for number, step in enumerate(self.before, start=1)]
        for cycle in range(1, self.cycles + 1):
            order += [(number, cycle, step) for number, step in enumerate(self.cycle, start=first_of_cycle)]
        order += [(number, 0, step) for number, step in enumerate(self.after, start=first_after)]

        phases: list[Phase] = []
        now_us = 0
        for number, cycle, step in order:
            phases.append(
                Phase(
                    step_number=number,
                    step_name=step.name,
                    cycle_number=cycle,
                    begin_us=now_us,
                    end_us=now_us + step.duration_us,
                    open_valves=tuple(valve == step.open_valve for valve in range(1, VALVES + 1)),
                )
            )
            now_us += step.duration_us
        return tuple(phases)

    def _own_faults(self) -> list[str]:
        faults = []
        if not (self.name.isascii() and self.name.isprintable() and 0 < len(self.name) <= MAX_NAME):
            faults.append(f"its name must be 1 to {MAX_NAME} printable ASCII characters")
        if not 1 <= self.cycles <= MAX_CYCLES:
            faults.append(f"cycles must be 1 to {MAX_CYCLES}, not {self.cycles}")
        if not self.cycle:
            faults.append("a cycle needs at least one step")
        return faults


def _step_faults(step: RecipeStep) -> list[str]:
    faults = []
    if not 0 < step.duration_us <= MAX_STEP_US:
        faults.append(f"step {step.name!r} lasts {step.duration_us} us, not 1 to {MAX_STEP_US}")
    if step.open_valve is not None and not 1 <= step.open_valve <= VALVES:
        faults.append(f"step {step.name!r} opens valve {step.open_valve}, and the tool has 1 to {VALVES}")
    return faults


def al2o3(cycles: int = DEFAULT_CYCLES) -> Recipe:
    """Build thermal Al2O3 from TMA and H2O: pulse and purge 0.1/3 s and 0.1/4 s (domain.md, A cycle; DTU)."""
    return Recipe(
        name="Al2O3 TMA H2O",
        before=(RecipeStep(name="stabilise", duration_us=5_000_000),),
        cycle=(
            RecipeStep(name="TMA dose", duration_us=100_000, open_valve=1),
            RecipeStep(name="TMA purge", duration_us=3_000_000),
            RecipeStep(name="H2O dose", duration_us=100_000, open_valve=2),
            RecipeStep(name="H2O purge", duration_us=4_000_000),
        ),
        after=(RecipeStep(name="end purge", duration_us=5_000_000),),
        cycles=cycles,
    )
