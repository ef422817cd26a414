"""The surface: self-limiting, the formula of growth a cycle, nucleation, ALD window, CVD part; crystal and bottle."""

import math

import pytest

from simulator import bottle, plasma
from simulator.crystal import CrystalModel, life_percent
from simulator.precursor import AL2O3, TIO2, TMA, WATER, tma_vapour_torr, water_vapour_torr
from simulator.surface import SurfaceState, chemistry, nucleation, rate_per_torr_s, step, window

GASES = chemistry([TMA, WATER])
CELSIUS = 200.0
GROWN_IN = SurfaceState(film="Al2O3", nucleated_cycles=1000.0)


def exposed(state: SurfaceState, *, tma_torr_s: float = 0.0, water_torr_s: float = 0.0) -> SurfaceState:
    """Expose the surface to a dose, in steps of a millisecond."""
    for _ in range(100):
        pressures = (tma_torr_s / 0.1, water_torr_s / 0.1)
        state = step(state, 0.001, gases=GASES, partial_torr=pressures, celsius=CELSIUS)
    return state


def growth_of_a_cycle(tma_torr_s: float, water_torr_s: float) -> float:
    """Mass of a cycle in the steady state."""
    state = GROWN_IN
    for _ in range(200):
        state = exposed(exposed(state, tma_torr_s=tma_torr_s), water_torr_s=water_torr_s)
    before = state.mass_ng_cm2
    return exposed(exposed(state, tma_torr_s=tma_torr_s), water_torr_s=water_torr_s).mass_ng_cm2 - before


def test_saturation_time_is_that_of_kinetic_theory() -> None:
    """t0 = N / (beta J): 21 ms for TMA at 0.1 Torr, 473 K and beta 1e-3 (domain.md), here at TMA's own beta."""
    t0_s = 1 / (rate_per_torr_s(TMA, 473 - 273.15) * 0.1)
    assert t0_s * TMA.sticking / 1e-3 == pytest.approx(0.021, rel=0.02)


def test_coverage_is_one_minus_exp_of_t_over_t0() -> None:
    """After one t0 of TMA 1/e of the sites are left; after many, none, and more adds nothing."""
    t0_torr_s = 1 / rate_per_torr_s(TMA, CELSIUS)
    assert exposed(GROWN_IN, tma_torr_s=t0_torr_s).hydroxyl == pytest.approx(1 / math.e, rel=1e-6)
    full = exposed(GROWN_IN, tma_torr_s=50 * t0_torr_s)
    assert full.mass_ng_cm2 == pytest.approx(33 * 1.09, rel=0.01)
    assert exposed(full, tma_torr_s=50 * t0_torr_s).mass_ng_cm2 == pytest.approx(full.mass_ng_cm2)


@pytest.mark.parametrize(("a", "b"), [(0.5, 3.0), (3.0, 0.5), (1.0, 1.0), (10.0, 10.0)])
def test_growth_a_cycle_follows_the_formula(a: float, b: float) -> None:
    """G (1-x1)(1-x2)/(1-x1 x2) with x = exp(-k t): it comes out of the two kinds of sites, it is not put in."""
    x1, x2 = math.exp(-a), math.exp(-b)
    growth = growth_of_a_cycle(a / rate_per_torr_s(TMA, CELSIUS), b / rate_per_torr_s(WATER, CELSIUS))
    assert growth == pytest.approx(33.0 * (1 - x1) * (1 - x2) / (1 - x1 * x2), rel=0.01)


def test_a_nucleated_surface_grows_33_ng_a_cycle_of_which_water_takes_3_off() -> None:
    """TMA brings 36, water -3, as at the end of al2o3_run."""
    of_tma = exposed(GROWN_IN, tma_torr_s=0.1)
    of_water = exposed(of_tma, water_torr_s=0.2)
    assert of_tma.mass_ng_cm2 == pytest.approx(36.0, abs=0.3)
    assert of_water.mass_ng_cm2 - of_tma.mass_ng_cm2 == pytest.approx(-3.0, abs=0.2)


def test_growth_nucleates_over_fifty_cycles_and_anew_for_another_film() -> None:
    """From nothing to 0.8 of full growth; a first dose of another precursor begins at nothing again."""
    assert nucleation(0) == 0.0
    assert nucleation(50) == pytest.approx(0.8, abs=0.02)
    assert nucleation(1000) == pytest.approx(1.0)
    other = exposed(SurfaceState(film="ZnO", nucleated_cycles=500.0), tma_torr_s=0.1)
    assert other.film == "Al2O3"
    assert other.nucleated_cycles == pytest.approx(1.0)


def test_growth_has_the_windows_of_its_film() -> None:
    """Full between 80 and 350 C for Al2O3; two windows for TiO2, and little between and beyond them."""
    assert window(AL2O3, 200.0) == pytest.approx(1.0, abs=0.001)
    assert window(AL2O3, 40.0) < 0.05
    assert window(AL2O3, 400.0) < 0.05
    assert window(TIO2, 135.0) > 0.6
    assert window(TIO2, 325.0) > 0.8
    assert window(TIO2, 225.0) < 0.01


def test_gases_that_meet_grow_without_limit() -> None:
    """Where both are there the mass grows in proportion to the integral of P_A P_B, saturated or not."""
    once = exposed(GROWN_IN, tma_torr_s=0.01, water_torr_s=0.01)
    apart = exposed(exposed(GROWN_IN, tma_torr_s=0.01), water_torr_s=0.01)
    assert once.mass_ng_cm2 > apart.mass_ng_cm2 + 4


def test_a_crystal_reads_mass_by_sauerbreys_equation() -> None:
    """0.0706 Hz for each ng/cm2 at 5.5836 MHz, 58 % of life, and the mass of a frequency is the mass put on."""
    crystal = CrystalModel()
    assert crystal.hz_of_1_ng_cm2 == pytest.approx(0.0706, abs=0.0001)
    frequency_hz = crystal.frequency_hz(1460.0, 0.0)
    assert crystal.begin_hz - frequency_hz == pytest.approx(103.0, abs=0.5)
    assert crystal.mass_ng_cm2(frequency_hz, zero_ng_cm2=460.0) == pytest.approx(1000.0)
    assert int(life_percent(crystal.begin_hz)) == 58


def test_vapour_pressures_are_those_of_the_domain() -> None:
    """8.7 Torr of TMA and 17.5 Torr of water at 20 C."""
    assert tma_vapour_torr(20.0) == pytest.approx(8.7, abs=0.1)
    assert water_vapour_torr(20.0) == pytest.approx(17.5, abs=0.1)


def test_a_bottle_that_is_pulsed_fast_depletes_and_recovers() -> None:
    """Ten pulses of 0.1 s in 2 s draw it down; 20 s later it is full again; its contents are less by what flowed."""
    state = bottle.full(vapour_torr=20.0, contents_torr_l=1000.0)
    out_torr_l = 0.0
    for pulse in range(10):
        begin_us = pulse * 200_000
        state, _ = bottle.step(state, begin_us, conductance_l_s=0.0, filling_torr_l=1000.0)
        state, flow = bottle.step(state, begin_us + 100_000, conductance_l_s=0.5, filling_torr_l=1000.0)
        out_torr_l += 0.1 * flow
    assert state.pressure_torr < 10.0
    assert state.contents_torr_l == pytest.approx(1000.0 - out_torr_l)
    rested, _ = bottle.step(state, 22_000_000, conductance_l_s=0.0, filling_torr_l=1000.0)
    assert rested.pressure_torr == pytest.approx(20.0, abs=0.01)


def test_an_empty_bottle_gives_ever_less() -> None:
    """Nothing evaporates: the pressure falls pulse by pulse and does not come back."""
    state, heights = bottle.full(vapour_torr=20.0, contents_torr_l=1000.0), []
    for pulse in range(5):
        begin_us = pulse * 10_000_000
        state, _ = bottle.step(state, begin_us, conductance_l_s=0.0, filling_torr_l=1000.0, is_empty=True)
        state, flow = bottle.step(state, begin_us + 100_000, conductance_l_s=0.5, filling_torr_l=1000.0, is_empty=True)
        heights.append(flow)
    assert heights == sorted(heights, reverse=True)
    assert heights[4] < 0.5 * heights[0]


def test_a_plasma_is_matched_within_two_seconds_and_none_burns_in_the_wrong_pressure() -> None:
    """300 W: first reflected, then under 2 %; the capacitors move; at 100 Torr all comes back."""
    burning = dark = plasma.OFF
    for _ in range(200):
        burning = plasma.step(burning, 0.01, target_w=300.0, pressure_torr=0.1)
        dark = plasma.step(dark, 0.01, target_w=300.0, pressure_torr=100.0)
    assert burning.forward_w == pytest.approx(300.0, abs=0.1)
    assert burning.reflected_w < 0.02 * 300
    assert burning.bias_v == pytest.approx(242.0, abs=5.0)
    assert burning.match_percent == pytest.approx(plasma.MATCHED_POSITIONS_PERCENT, abs=0.1)
    assert dark.reflected_w == pytest.approx(dark.forward_w)
    assert dark.dissociation == pytest.approx(0.0, abs=1e-9)
    assert plasma.step(plasma.OFF, 0.01, target_w=0.0, pressure_torr=0.1) is plasma.OFF
