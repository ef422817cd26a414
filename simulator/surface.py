"""The growing surface: two kinds of sites that turn into each other, so that growth limits itself.

A metal precursor reacts with hydroxyl sites, theta = 1 - exp(-t/t0); a reactant makes them again. In a steady state a
cycle then grows G (1-x1)(1-x2)/(1-x1 x2) with x = exp(-k t), the formula of domain.md, without it being put in.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from simulator.precursor import ZERO_C_K, Film, Precursor, Role

SITES_M2: Final = 4e18
"""N, reactive sites (domain.md, Physics)."""
BOLTZMANN_J_K: Final = 1.380649e-23
PASCAL_OF_1_TORR: Final = 133.322
NUCLEATION_CYCLES: Final = 33.4
NUCLEATION_ORDER: Final = 1.13
"""Share of full growth after c cycles: 1 - exp(-(c / 33.4)^1.13), fitted to the 70 cycles of al2o3_run [M]."""
OXIDANT_RISE: Final = 0.16
OXIDANT_FALL: Final = 0.25
"""Share of a cycle's mass that comes in the oxidant's half at nucleation f: f (0.16 - 0.25 f). In al2o3_run it is
+1 to +2 ng/cm2 at first and -3 at the end, where water takes methyl off [M]."""
CVD_NG_CM2_TORR2_S: Final = 5_000.0
"""Growth by the integral of P_A P_B, gas that meets gas: 1 ng/cm2 by a purge of 1 s in place of 3 s [K]."""
WINDOW_EDGE_C: Final = 10.0
"""Width over which growth falls at the edge of an ALD window [K]."""
_NOTHING_TORR: Final = 1e-7
_ALL: Final = 1 - 1e-6
"""From here on all sites are hydroxyl, and a reactant has nothing left to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SurfaceState:
    """What the wafer and the crystal beside it remember.

    Attributes:
        hydroxyl: share of sites that a metal precursor can react with; the others wait for a reactant.
        film: name of the film that grows.
        nucleated_cycles: cycles of it, each counted by the share of sites that it turned over.
        mass_ng_cm2: everything that grew.
    """

    hydroxyl: float = 1.0
    film: str = ""
    nucleated_cycles: float = 0.0
    mass_ng_cm2: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Chemistry:
    """The gases of a tool, sorted by what they do: each with its place among the valves."""

    metals: tuple[tuple[int, Precursor, Film], ...]
    reactants: tuple[tuple[int, Precursor], ...]


def chemistry(precursors: Sequence[Precursor]) -> Chemistry:
    """Sort the gases of a tool, one a valve."""
    return Chemistry(
        metals=tuple((place, each, each.film) for place, each in enumerate(precursors) if each.film is not None),
        reactants=tuple((place, each) for place, each in enumerate(precursors) if each.film is None),
    )


def nucleation(cycles: float) -> float:
    """Share of full growth that a cycle has after some cycles of the same film."""
    return -math.expm1(-((cycles / NUCLEATION_CYCLES) ** NUCLEATION_ORDER))


def window(film: Film, celsius: float) -> float:
    """Share of full growth at a temperature: 1 within an ALD window, falling off at its edges."""
    return max(
        1 / (1 + math.exp((low - celsius) / WINDOW_EDGE_C)) / (1 + math.exp((celsius - high) / WINDOW_EDGE_C))
        for low, high in film.windows_c
    )


@lru_cache(maxsize=1024)
def growth_ng_cm2(film: Film, celsius: float) -> float:
    """Mass of a saturated cycle on a fully nucleated surface."""
    return film.growth_ng_cm2 * window(film, celsius)


@lru_cache(maxsize=1024)
def rate_per_torr_s(precursor: Precursor, celsius: float) -> float:
    """1 / (t0 P): t0 = N / (beta J) with the flux J = P / sqrt(2 pi m k T) (domain.md, Physics)."""
    thermal = math.sqrt(2 * math.pi * precursor.molecule_kg * BOLTZMANN_J_K * (celsius + ZERO_C_K))
    return precursor.sticking * PASCAL_OF_1_TORR / thermal / SITES_M2


def step(
    state: SurfaceState,
    dt_s: float,
    *,
    gases: Chemistry,
    partial_torr: Sequence[float],
    celsius: float,
    dissociation: float = 0.0,
) -> SurfaceState:
    """Advance under constant partial pressures.

    Args:
        state: before.
        dt_s: length of the step.
        gases: of the tool.
        partial_torr: mean pressure of each, one a valve.
        celsius: of the surface.
        dissociation: share of full plasma, 0 to 1.
    """
    hydroxyl, mass = state.hydroxyl, state.mass_ng_cm2
    film_name, cycles = state.film, state.nucleated_cycles
    oxidant_rate = oxidant_torr = 0.0
    for place, precursor in gases.reactants:
        torr = partial_torr[place]
        if torr > _NOTHING_TORR:
            reactive_torr = torr * dissociation if precursor.role is Role.PLASMA else torr
            oxidant_torr += reactive_torr
            oxidant_rate += reactive_torr * rate_per_torr_s(precursor, celsius)
    for place, precursor, film in gases.metals:
        torr = partial_torr[place]
        is_there = torr > _NOTHING_TORR
        if is_there and film.name != film_name:
            film_name, cycles = film.name, 0.0
        if film.name != film_name or not (is_there or hydroxyl < _ALL):
            continue
        share = nucleation(cycles)
        growth = growth_ng_cm2(film, celsius) * share
        of_oxidant = OXIDANT_RISE - OXIDANT_FALL * share
        if is_there:
            reacted = -hydroxyl * math.expm1(-rate_per_torr_s(precursor, celsius) * torr * dt_s)
            hydroxyl -= reacted
            cycles += reacted
            mass += growth * reacted * (1 - of_oxidant) + CVD_NG_CM2_TORR2_S * torr * oxidant_torr * dt_s
        if oxidant_rate:
            restored = -(1 - hydroxyl) * math.expm1(-oxidant_rate * dt_s)
            hydroxyl += restored
            mass += growth * restored * of_oxidant
    if mass == state.mass_ng_cm2 and hydroxyl == state.hydroxyl:
        return state
    return SurfaceState(hydroxyl=hydroxyl, film=film_name, nucleated_cycles=cycles, mass_ng_cm2=mass)
