"""Faults by chance: the same ones for the same seed, at the same simulated times, at any speed."""

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from simulator.errors import FaultError, OptionError
from simulator.fault import Fault, FaultName
from simulator.fault_board import RESTART_S, Cue
from simulator.plant_effects import check_component

DEFAULT_RATE_AN_HOUR: Final = 60.0
MOST_RATE_AN_HOUR: Final = 36_000.0
_LENGTHS_S: Final = (0.5, 30.0)
"""Shortest and longest fault; in between all orders of magnitude are as likely."""


def chances(
    seed: int,
    *,
    rate_an_hour: float = DEFAULT_RATE_AN_HOUR,
    kinds: Sequence[FaultName] = (),
    components: Iterable[str],
    has_plant: bool,
) -> Iterator[Cue]:
    """Draw faults without end, in order of their time.

    Args:
        seed: of the draw.
        rate_an_hour: faults an hour of simulated time, in the mean; they come independently of each other.
        kinds: which; none means all that are possible.
        components: of the tool's map, for what breaks.
        has_plant: whether faults of the plant are possible.

    Raises:
        OptionError: the rate cannot be, or none of these faults can.
    """
    if not 0 < rate_an_hour <= MOST_RATE_AN_HOUR:
        raise OptionError(f"the rate of faults must be up to {MOST_RATE_AN_HOUR:g} an hour, not {rate_an_hour:g}")
    places = sorted({*components, *(name.removesuffix(" Heater") for name in components)})
    possible = [
        choice
        for name in kinds or tuple(FaultName)
        if has_plant or not name.is_of_the_plant
        for choice in _choices(name, places)
    ]
    if not possible:
        raise OptionError(f"none of these faults can be here: {', '.join(kinds)}")
    by_name: dict[FaultName, list[Fault]] = {}
    for fault in possible:
        by_name.setdefault(fault.name, []).append(fault)
    return _draw(random.Random(seed), rate_an_hour / 3600, by_name)  # noqa: S311  (no secret, but repeatable)


def _draw(chance: random.Random, rate: float, by_name: dict[FaultName, list[Fault]]) -> Iterator[Cue]:
    shortest, longest = _LENGTHS_S
    now_s = 0.0
    while True:
        now_s += chance.expovariate(rate)
        fault = chance.choice(by_name[chance.choice(sorted(by_name))])
        for_s = shortest * (longest / shortest) ** chance.random()
        if fault.name is FaultName.PLC_RESTART:
            for_s = RESTART_S
        yield Cue(fault=fault, at_s=now_s, for_s=for_s, origin="chance")


def _choices(name: FaultName, places: Sequence[str]) -> list[Fault]:
    """A fault at every place where it can be."""
    try:
        return [Fault(name=name)]
    except FaultError:
        pass
    found = []
    for place in places:
        fault = Fault(name=name, on=place)
        try:
            check_component(fault, places)
        except FaultError:
            continue
        found.append(fault)
    return found
