"""What flows through the ALD valves: vapour pressure, molecular mass, what it does on a surface, and the films made."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ZERO_C_K: Final = 273.15
_UNIFIED_MASS_KG: Final = 1.66053907e-27


class Role(StrEnum):
    """What a gas does on the surface."""

    METAL = "metal"
    """Precursor A: binds to hydroxyl sites and brings the film's mass."""
    OXIDANT = "oxidant"
    """Reactant B: makes hydroxyl sites again, without help."""
    PLASMA = "plasma"
    """Reactant B that reacts only as far as the plasma breaks it up."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Film:
    """What a metal precursor makes.

    Attributes:
        growth_ng_cm2: mass of a saturated cycle on a fully nucleated surface: thickness x density.
        windows_c: chamber temperatures between which growth is that of ALD.
    """

    name: str
    growth_ng_cm2: float
    windows_c: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Precursor:
    """A gas behind an ALD valve.

    Attributes:
        vapour_torr: pressure over the liquid at a temperature in C, or the regulator's pressure of a gas.
        molecule_kg: mass of a molecule.
        sticking: probability that a molecule that meets a free site reacts, beta.
        film: of a metal; None for a reactant.
    """

    name: str
    role: Role
    vapour_torr: Callable[[float], float]
    molecule_kg: float
    sticking: float
    film: Film | None = None


def tma_vapour_torr(celsius: float) -> float:
    """log10 P = 8.224 - 2134.83 / T: 8.7 Torr at 20 C (domain.md, Physics)."""
    return float(10 ** (8.224 - 2134.83 / (celsius + ZERO_C_K)))


def water_vapour_torr(celsius: float) -> float:
    """Antoine's equation for water from 1 to 100 C: 17.5 Torr at 20 C, as in domain.md."""
    return float(10 ** (8.07131 - 1730.63 / (233.426 + celsius)))


def temahf_vapour_torr(celsius: float) -> float:
    """log10 P = 8.9 - 3170 / T: about 1 Torr at 83 C [K]."""
    return float(10 ** (8.9 - 3170 / (celsius + ZERO_C_K)))


def ticl4_vapour_torr(celsius: float) -> float:
    """log10 P = 7.692 - 1970.5 / T, through 10 Torr at 21.3 C and the boiling point of 136.4 C [K]."""
    return float(10 ** (7.692 - 1970.5 / (celsius + ZERO_C_K)))


def diethylzinc_vapour_torr(celsius: float) -> float:
    """log10 P = 8.280 - 2109 / T: 12 Torr at 20 C [K]."""
    return float(10 ** (8.280 - 2109 / (celsius + ZERO_C_K)))


def regulated_torr(celsius: float) -> float:
    """Behind a pressure regulator: 100 Torr whatever the temperature."""
    del celsius
    return 100.0


def _molecule(grams_a_mole: float) -> float:
    return grams_a_mole * _UNIFIED_MASS_KG


AL2O3: Final = Film(name="Al2O3", growth_ng_cm2=33.0, windows_c=((80.0, 350.0),))
"""1.1 angstrom x 3.0 g/cm3; 33 ng/cm2 were measured in al2o3_run. Windows: 80 to 300 C and 150 to 350 C (domain.md)."""
HFO2: Final = Film(name="HfO2", growth_ng_cm2=97.0, windows_c=((150.0, 350.0),))
"""1.0 angstrom x 9.7 g/cm3 (domain.md, A cycle; density [K])."""
TIO2: Final = Film(name="TiO2", growth_ng_cm2=19.5, windows_c=((120.0, 150.0), (300.0, 350.0)))
"""0.5 angstrom x 3.9 g/cm3 (domain.md, A cycle; density [K])."""
ZNO: Final = Film(name="ZnO", growth_ng_cm2=106.0, windows_c=((110.0, 170.0),))
"""1.9 angstrom x 5.6 g/cm3 [K]."""

TMA: Final = Precursor(
    name="TMA",
    role=Role.METAL,
    vapour_torr=tma_vapour_torr,
    molecule_kg=_molecule(72.09),
    sticking=5e-4,
    film=AL2O3,
)
"""Beta 5e-4: t0 is 42 ms at 0.1 Torr and 473 K, by the formula of domain.md; it saturates in a dose of 0.1 s [K]."""
WATER: Final = Precursor(
    name="H2O", role=Role.OXIDANT, vapour_torr=water_vapour_torr, molecule_kg=_molecule(18.015), sticking=1e-4
)
TEMAHF: Final = Precursor(
    name="TEMAHf",
    role=Role.METAL,
    vapour_torr=temahf_vapour_torr,
    molecule_kg=_molecule(410.9),
    sticking=1e-3,
    film=HFO2,
)
TICL4: Final = Precursor(
    name="TiCl4",
    role=Role.METAL,
    vapour_torr=ticl4_vapour_torr,
    molecule_kg=_molecule(189.7),
    sticking=1e-3,
    film=TIO2,
)
DIETHYLZINC: Final = Precursor(
    name="DEZ",
    role=Role.METAL,
    vapour_torr=diethylzinc_vapour_torr,
    molecule_kg=_molecule(123.5),
    sticking=1e-3,
    film=ZNO,
)
OXYGEN: Final = Precursor(
    name="O2", role=Role.PLASMA, vapour_torr=regulated_torr, molecule_kg=_molecule(31.998), sticking=1e-3
)
